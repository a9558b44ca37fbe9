"""What the pages of a case have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _l
from django_stubs_ext import StrOrPromise

from jobs.actions.reading import progress_of
from jobs.models import Job
from workflows.core.accounts import User
from workflows.core.wizard import Page
from workflows.support.actions.cases import go_back
from workflows.support.collecting.problems import Canceled
from workflows.support.models import Artifact, WorkflowSession
from workflows.support.products import PRODUCTS, ProductKind

Step = WorkflowSession.Step
ORDER = [Step.SELECT_PRODUCT, Step.SOS_REPORT, Step.JIRA_ATTACH, Step.COMPLETED]
# What a banner begins with, by the step that failed.
FAILED: dict[str, StrOrPromise] = {
    Step.SELECT_PRODUCT: _l("This product was not taken."),
    Step.SOS_REPORT: _l("The last try did not work."),
    Step.JIRA_ATTACH: _l("The last try did not work."),
}
CANCELED = _l("It was canceled.")


class CasePage(Page):
    """A page of a case: ahead it is blocked, passed it shows what was decided."""

    step: ClassVar[str]
    not_yet: ClassVar[StrOrPromise] = ""  # what has to be done first, in words
    machine: WorkflowSession
    job: Job | None = None  # what runs for the case now, if anything

    @property
    def user(self) -> User:
        return self.request.user

    @property
    def distance(self) -> int:
        """Return how many steps the case is past this one; less than 0: before it."""
        present = self.machine.present_step
        return ORDER.index(Step(present)) - ORDER.index(Step(self.step))

    @property
    def here(self) -> bool:
        return self.distance == 0

    def shows(self, do: str) -> bool:
        return self.here and not self.job

    def done(self) -> bool:
        return self.distance > 0

    def blocked(self) -> str:
        if self.machine.current_step == Step.COMPLETED:
            return _("This case is completed.")
        return str(self.not_yet) if self.distance < 0 else ""

    @property
    def product(self) -> ProductKind | None:
        return PRODUCTS.get(self.machine.selected_product)

    @property
    def archive(self) -> Artifact | None:
        """Return the case's archive, unless it was deleted since."""
        found: Artifact | None = self.machine.sosreport.artifact
        return found if found and found.file else None

    def context(self) -> dict[str, Any]:
        failed = self.here and self.machine.current_step == Step.FAILED
        canceled = self.machine.last_error_code == Canceled.code
        return {
            "here": self.here,
            "product": self.product,
            "archive": self.archive,
            "failed": self.failed_words(canceled) if failed else "",
            "canceled": canceled,
            "card": progress_of(self.job, self.user) if self.job else None,
        }

    def failed_words(self, canceled: bool) -> StrOrPromise:
        return CANCELED if canceled else FAILED[self.machine.failed_step]

    def back_to(self, step: str) -> None:
        go_back(self.machine, by=self.user, to=step)
