"""What jobs leave behind in these tests, to be counted."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from workflows.core.ids import uuid7


class Effect(models.Model):
    """One effect of one step. Nothing keeps a second one away but the engine."""

    job_id = models.UUIDField()
    step = models.CharField(max_length=20)
    attempt = models.PositiveSmallIntegerField()
    at = models.DateTimeField(db_default=Now())

    objects: ClassVar[models.Manager[Effect]] = models.Manager()

    def __str__(self) -> str:
        return f"{self.step} of {self.job_id}"


class Order(models.Model):
    """What a person asked for in the transaction that started its job."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    number = models.PositiveIntegerField(unique=True)

    objects: ClassVar[models.Manager[Order]] = models.Manager()

    def __str__(self) -> str:
        return f"order {self.number}"
