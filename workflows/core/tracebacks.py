"""What Django's reports of an error show: its own page with DEBUG=1 above all."""

from __future__ import annotations

from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

OURS = {"config", "workflows", "jobs", "l1walk"}


class ReportFilter(SafeExceptionReporterFilter):
    """Leaves out what was entered in secret, on one's own machine too.

    Such pages are sent to colleagues and pasted into tickets, and Django's templates
    write what they show to the log.
    """

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        """Go by the names too: what breaks before its view has met no mark of it."""
        posted = super().get_post_parameters(request)
        return {name: self.cleanse_setting(name, posted[name]) for name in posted}

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> ItemsView[str, Any]:
        """Show ours: what opens a door is handed to others in the clear."""
        module = str(tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] not in OURS:
            return ItemsView({})
        return super().get_traceback_frame_variables(request, tb_frame)
