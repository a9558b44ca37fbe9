"""Who runs jobs: each process says that it lives."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Worker(models.Model):
    """A process that runs jobs. One that has not been seen for long is stalled."""

    name = models.CharField(max_length=120, primary_key=True)
    host = models.CharField(max_length=80)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    seen_at = models.DateTimeField(db_default=Now(), db_index=True)
    jobs_done = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.name
