"""A machine, a sealed column and a wizard's subject that only tests know."""

from django.db import models
from django_fsm import FSMField, transition

from workflows.core.machine import Machine
from workflows.core.secrets import SealedField


class Parcel(Machine):
    """Packed, sent, then delivered or lost."""

    class State(models.TextChoices):
        PACKED = "packed"
        SENT = "sent"
        DELIVERED = "delivered"

    state = FSMField(choices=State, default=State.PACKED, protected=True)
    address = models.CharField(max_length=100, blank=True)
    token = SealedField(default="", blank=True)

    @transition(state, source=State.PACKED, target=State.SENT)
    def send(self, address: str = "") -> None:
        """It leaves the house."""
        self.address = address or self.address

    @transition(state, source=State.SENT, target=State.DELIVERED)
    def deliver(self) -> None:
        """It arrived."""
