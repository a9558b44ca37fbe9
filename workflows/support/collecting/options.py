"""What a person may choose about a report."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.translation import gettext as _

from workflows.support.collecting.problems import ValidationFailed

PLUGIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
LABEL = re.compile(r"[A-Za-z0-9-]{1,40}")
CASE_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
MOST_PLUGINS = 500
LOG_SIZES = range(1, 1025)  # MiB
# Without what these collect, sos knows no names to mask, and masks nothing.
MASKING = frozenset({"host", "login", "networking"})


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """The options of one report, checked. Raises ValidationFailed."""

    only: tuple[str, ...] = ()
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    log_size: int | None = None  # MiB of each log
    clean: bool = False  # mask names and addresses
    label: str = ""
    case_id: str = ""

    def __post_init__(self) -> None:
        for names in (self.only, self.enable, self.disable):
            if len(names) > MOST_PLUGINS or not all(map(PLUGIN.fullmatch, names)):
                raise ValidationFailed(
                    _(
                        "That is no list of plugins. Nothing was started. Name each as "
                        "sos does: letters, digits, - and _."
                    )
                )
        if self.only and (self.enable or self.disable):
            raise ValidationFailed(
                _(
                    "Where only some plugins are chosen, none can be added or left out "
                    "besides. Nothing was started. Empty one of the two."
                )
            )
        if self.clean and self.only and not set(self.only) >= MASKING:
            raise ValidationFailed(
                _(
                    "Names can be masked only when the plugins host, login and "
                    "networking are among the chosen ones. Nothing was started. Add "
                    "them, or choose no plugins."
                )
            )
        if self.log_size is not None and self.log_size not in LOG_SIZES:
            raise ValidationFailed(
                _("Logs are cut at 1 to 1024 MiB. Nothing was started. Change that.")
            )
        if not (self.label == "" or LABEL.fullmatch(self.label)):
            raise ValidationFailed(
                _(
                    "A label has letters, digits and -, at most 40. Nothing was "
                    "started. Change it."
                )
            )
        if not (self.case_id == "" or CASE_ID.fullmatch(self.case_id)):
            raise ValidationFailed(
                _(
                    "A case id has letters, digits, - and _, at most 40. Nothing was "
                    "started. Change it."
                )
            )

    def argv(self) -> list[str]:
        """Return the options as the wrapper takes them."""
        found = []
        for name in ("only", "enable", "disable"):
            if plugins := getattr(self, name):
                # The = keeps a name that begins with a dash from being an option.
                found.append(f"--{name}={','.join(plugins)}")
        if self.log_size is not None:
            found.append(f"--log-size={self.log_size}")
        if self.clean:
            found.append("--clean")
        if self.label:
            found.append(f"--label={self.label}")
        if self.case_id:
            found.append(f"--case-id={self.case_id}")
        return found
