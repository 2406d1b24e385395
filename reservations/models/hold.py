"""What is kept free for somebody for some minutes."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.db.models import F, Q

from accounts.models import User
from resources.models import Resource


class Hold(models.Model):
    """Devices kept free for somebody who is about to book them; it lasts minutes and is never a booking.

    The database keeps its calendar entries, and takes them away as soon as `over_at` is written
    (see the migration “holds”). Those that are over stay for a while, so that nobody can hold a device
    again and again.
    """

    class Outcome(models.TextChoices):
        BOOKED = "booked", "Booked by its holder"
        GIVEN_BACK = "given_back", "Given back"
        REPLACED = "replaced", "Replaced by another of the same person"
        LAPSED = "lapsed", "Ran out"
        DISPLACED = "displaced", "Maintenance took its place"

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    holder = models.ForeignKey(User, on_delete=models.CASCADE, related_name="holds")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    renewals = models.PositiveSmallIntegerField(default=0)
    is_offer = models.BooleanField(default=False, help_text="Made by the wait list, not asked for.")
    over_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome.choices, blank=True, default="")

    class Meta:
        ordering = ["created_at"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="hold_ends_after_it_starts"),
            models.CheckConstraint(
                condition=Q(over_at__isnull=True, outcome="") | (Q(over_at__isnull=False) & ~Q(outcome="")),
                name="hold_that_is_over_says_how",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["expires_at"], name="hold_by_expiry", condition=Q(over_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"Hold of {self.holder_id} until {self.expires_at:%Y-%m-%d %H:%M:%S} UTC"

    def is_open(self, now: datetime) -> bool:
        """Whether it still keeps others away."""
        return self.over_at is None and self.expires_at > now


class HeldResource(models.Model):
    """One device of a hold."""

    hold = models.ForeignKey(Hold, on_delete=models.CASCADE, related_name="held")
    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="held")
    line = models.PositiveSmallIntegerField(default=0, help_text="For which line of what was asked, from 0.")
    preparation_s = models.PositiveIntegerField()
    cleanup_s = models.PositiveIntegerField()

    class Meta:
        ordering = ["line", "id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["hold", "resource"], name="held_once")]

    def __str__(self) -> str:
        return f"{self.resource_id} in {self.hold_id}"
