"""Asking for a budget's jobs: one of a type at a time, a second click finds it."""

from __future__ import annotations

from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils import timezone

from jobs.actions.starting import start_job
from jobs.budgets.models import Budget
from jobs.budgets.models.suggestion import PartStatus as S
from jobs.models import Job, Schedule
from workflows.core.accounts import User

# What one apply takes on; the rest stays approved for the next one.
MOST_APPLIED = 2_000


class NothingApproved(Exception):
    """There is nothing to apply: approve suggestions first."""


def request(budget: Budget, type: str, *, by: User | None, **metadata: object) -> Job:
    """Start a job on the budget, or return the one of its type that has not ended."""
    return start_job(
        type, budget, by=by, unique=f"{type}:{budget.pk}", metadata=metadata
    )


def request_sync(budget: Budget, *, by: User, full: bool = False) -> Job:
    """Ask for a sync; ``full`` (the seed's fullResync) fetches everything anew."""
    return request(budget, "budget_sync", by=by, fullResync=full)


def request_suggestions(budget: Budget, *, by: User) -> Job:
    return request(budget, "suggestions_generate", by=by)


def request_sync_and_suggest(budget: Budget, *, by: User, full: bool = False) -> Job:
    return request(budget, "sync_and_suggest", by=by, fullResync=full)


def request_retry(budget: Budget, payee_key: str, *, by: User) -> Job:
    """Ask for new proposals for what is open of one payee."""
    return start_job(
        "suggestions_retry_payee",
        budget,
        by=by,
        unique=f"suggestions_retry_payee:{budget.pk}:{payee_key}"[:200],
        metadata={"payeeKey": payee_key},
    )


def request_apply(budget: Budget, *, by: User) -> Job:
    """Ask for everything approved to be written. Raises NothingApproved."""
    approved = budget.suggestions.filter(category_status=S.APPROVED)
    approved |= budget.suggestions.filter(payee_status=S.APPROVED)
    ids = [
        str(pk)
        for pk in approved.order_by("id").values_list("pk", flat=True)[:MOST_APPLIED]
    ]
    if not ids:
        raise NothingApproved
    return request(budget, "suggestions_apply", by=by, suggestionIds=ids)


def request_snapshot(budget: Budget, *, by: User, anew: bool = False) -> Job:
    """Ask for a copy; ``anew`` downloads it afresh and compares it with the last."""
    return request(budget, "snapshot_redownload" if anew else "snapshot_create", by=by)


def set_schedule(budget: Budget, *, cron: str) -> None:
    """Sync and suggest by the clock of the account; "" ends it."""
    with transaction.atomic():
        Schedule.objects.filter(subject_id=budget.pk).delete()
        if not cron:
            return
        schedule = Schedule(
            name=f"budget {budget.pk}",
            account_id=budget.account_id,
            type="scheduled_sync_and_suggest",
            subject_type=ContentType.objects.get_for_model(budget),
            subject_id=budget.pk,
            cron=cron,
            time_zone=budget.account.time_zone,
        )
        schedule.next_at = schedule.after(timezone.now())
        schedule.save()
