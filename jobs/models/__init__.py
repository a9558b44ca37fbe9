from jobs.models.attempt import JobAttempt
from jobs.models.event import JobEvent
from jobs.models.job import BUDGET_TYPES, Job
from jobs.models.schedule import Schedule
from jobs.models.step import JobStep
from jobs.models.tracked import Fence, LeaseLost, lent
from jobs.models.worker import Worker

__all__ = [
    "BUDGET_TYPES",
    "Fence",
    "Job",
    "JobAttempt",
    "JobEvent",
    "JobStep",
    "LeaseLost",
    "Schedule",
    "Worker",
    "lent",
]
