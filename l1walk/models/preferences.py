"""What an account may change about walks."""

from django.utils.translation import gettext_lazy as _

from workflows.core.preferences import Preference, register

ABANDON_AFTER_HOURS = register(
    Preference(
        "l1walk.abandon_after_hours",
        _("Close forgotten walks after (hours)"),
        _("A walk in which nobody answered for so long is closed as abandoned."),
        default=24,
        minimum=1,
        maximum=720,
    )
)
NOTIFY_ENGINEERS = register(
    Preference(
        "l1walk.notify_engineers",
        _("E-mail engineers about escalations"),
        _("Every engineer of the account with an e-mail address gets one."),
        default=True,
    )
)
