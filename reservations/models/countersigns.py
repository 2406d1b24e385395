"""What takes two people."""

from typing import ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.db.models import F, Q

from accounts.models import User
from reservations.models.lease import Lease


class Countersign(models.Model):
    """What one person wants done to a lease, and another has to confirm before it is done."""

    class Verb(models.TextChoices):
        VOUCH = "vouch", "Vouch for the device"
        END = "end", "End the running lease"

    class Answer(models.TextChoices):
        CONFIRMED = "confirmed", "Confirmed"
        REFUSED = "refused", "Refused"

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    lease = models.ForeignKey(Lease, on_delete=models.CASCADE, related_name="countersigns")
    verb = models.CharField(max_length=10, choices=Verb.choices)
    reason = models.TextField(blank=True)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    answer = models.CharField(max_length=10, choices=Answer.choices, blank=True)
    answered_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    answered_at = models.DateTimeField(null=True)
    words = models.TextField(blank=True)

    class Meta:
        ordering = ["-asked_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["lease", "verb"], condition=Q(answer=""), name="one_open_countersign"
            ),
            models.CheckConstraint(
                condition=~Q(answer="confirmed")
                | (Q(answered_by__isnull=False) & ~Q(answered_by=F("asked_by"))),
                name="nobody_confirms_themselves",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_verb_display()}: {self.lease_id}"
