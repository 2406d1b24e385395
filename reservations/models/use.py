"""What was measured of leases."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from reservations.models.lease import Lease


class LeaseUse(models.Model):
    """What was measured of a lease on one day (UTC): one row, however many steps and columns.

    `packed` holds the columns (see `reservations.packing`), a value for each step of the day; what is asked of
    many leases at once stands beside it as numbers. Old days are folded to steps of an hour.
    """

    lease = models.ForeignKey(Lease, on_delete=models.CASCADE, related_name="use")
    day = models.DateField()
    step_s = models.PositiveIntegerField(default=60)
    packed = models.BinaryField(default=b"")
    devices = models.PositiveSmallIntegerField(default=0, help_text="How many cards told how busy they were.")
    measured_s = models.FloatField(default=0, help_text="Seconds in which that is known, added over the cards.")
    busy_s = models.FloatField(default=0, help_text="The same, each second weighed by how busy the card was.")
    unmeasured = models.TextField(blank=True, default="", help_text="Why it could not be measured.")
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["lease", "day"], name="use_once_per_day")]
        indexes: ClassVar = [
            models.Index(fields=["day"], name="use_to_fold", condition=Q(step_s=60)),
        ]

    def __str__(self) -> str:
        return f"{self.lease_id} on {self.day}"
