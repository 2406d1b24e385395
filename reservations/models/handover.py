"""Giving a reservation to a colleague."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import User
from reservations.models.reservation import Reservation


class Handover(models.Model):
    """An offer of a reservation to another member of its project, and what came of it."""

    class Outcome(models.TextChoices):
        WAITING = "waiting", "Waiting for an answer"
        ACCEPTED = "accepted", "Accepted"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"

    id: "models.BigAutoField[int, int]" = models.BigAutoField(primary_key=True)
    reservation = models.ForeignKey(Reservation, on_delete=models.CASCADE, related_name="handovers")
    giver = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", help_text="Who held it.")
    receiver = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    asked_at: "models.DateTimeField[datetime, datetime]" = models.DateTimeField()
    outcome = models.CharField(max_length=9, choices=Outcome.choices, default=Outcome.WAITING)
    answered_at: "models.DateTimeField[datetime | None, datetime | None]" = models.DateTimeField(
        null=True, blank=True
    )

    class Meta:
        ordering = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["reservation"], condition=Q(outcome="waiting"), name="one_open_handover"
            ),
            models.CheckConstraint(
                condition=Q(outcome="waiting") | Q(answered_at__isnull=False), name="handover_answered_when"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["receiver"], name="handover_waiting", condition=Q(outcome="waiting"))
        ]

    def __str__(self) -> str:
        return f"{self.reservation} to {self.receiver}"
