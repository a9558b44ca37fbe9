"""Words that several pages of budgets share."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l

from jobs.budgets.forms import ScheduleForm
from jobs.models import Schedule

# Counts of a ledger, in the order in which people ask for them.
COUNTED: dict[str, Promise] = {
    "transactions": _l("transactions"),
    "uncategorised": _l("without a category"),
    "accounts": _l("accounts"),
    "categories": _l("categories"),
    "payees": _l("payees"),
    "transfers": _l("transfers"),
    "splits": _l("splits"),
}


def counted(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Return counts with their words; one of a newer ledger keeps its own name."""
    known = [
        (str(word), counts[name]) for name, word in COUNTED.items() if name in counts
    ]
    return known + [(name, n) for name, n in counts.items() if name not in COUNTED]


def schedule_words(schedule: Schedule | None) -> dict[str, object]:
    """Say when it runs by itself."""
    if schedule is None:
        return {"words": _("None: syncs when asked"), "next_at": None}
    found = ScheduleForm.initial_of(schedule.cron)
    if found["when"] == ScheduleForm.NIGHTLY:
        words = _("Every night at %(at)s") % {"at": f"{found['at']:%H:%M}"}
    elif found["when"] == ScheduleForm.MORNINGS:
        words = _("Each morning from Monday to Friday at %(at)s") % {
            "at": f"{found['at']:%H:%M}"
        }
    else:
        words = _("By the cron expression “%(cron)s”") % {"cron": schedule.cron}
    return {"words": words, "next_at": schedule.next_at if schedule.enabled else None}
