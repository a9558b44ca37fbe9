"""What a worker runs for walks; each task calls one verb."""

from celery import shared_task

from l1walk.actions import escalations, walks


@shared_task(name="l1walk.abandon_idle_walks")
def abandon_idle_walks() -> None:
    walks.abandon_idle_walks()


@shared_task(name=escalations.NOTICE_TASK)
def notify_engineers() -> None:
    escalations.notify_engineers()
