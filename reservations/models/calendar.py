"""What is kept free of others."""

from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.contrib.postgres.indexes import GistIndex
from django.db import models
from django.db.models import Q

from reservations.models.hold import Hold
from reservations.models.lease import Lease
from resources.models import MaintenanceWindow, Resource


class CalendarEntry(models.Model):
    """What is kept free of others on one resource: by a lease, by maintenance, or for minutes by a hold.

    Kept by the database (see the migrations “calendar” and “holds”); nobody else writes it. A lease of a whole
    has an exclusive entry on the whole and on each part. A lease of a part also leaves a trace,
    an entry that is not exclusive, on each whole it belongs to: enough to see that the whole is
    not free, not enough to keep the other parts from being booked.
    """

    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="calendar_entries")
    kind = models.CharField(max_length=40)
    lease = models.ForeignKey(Lease, null=True, on_delete=models.CASCADE, related_name="calendar_entries")
    maintenance = models.ForeignKey(
        MaintenanceWindow, null=True, on_delete=models.CASCADE, related_name="calendar_entries"
    )
    hold = models.ForeignKey(
        Hold, null=True, on_delete=models.CASCADE, related_name="calendar_entries", db_index=False
    )
    occupies = DateTimeRangeField()
    exclusive = models.BooleanField()
    holding = models.BooleanField()
    on_device = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            ExclusionConstraint(
                name="no_double_booking",
                expressions=[("resource", RangeOperators.EQUAL), ("occupies", RangeOperators.OVERLAPS)],
                condition=Q(holding=True, exclusive=True),
            ),
            models.UniqueConstraint(
                fields=["resource"],
                condition=Q(on_device=True, exclusive=True),
                name="one_lease_on_a_device",
            ),
            models.CheckConstraint(
                condition=Q(lease__isnull=False, maintenance__isnull=True, hold__isnull=True)
                | Q(lease__isnull=True, maintenance__isnull=False, hold__isnull=True)
                | Q(lease__isnull=True, maintenance__isnull=True, hold__isnull=False),
                name="entry_has_one_owner",
            ),
        ]
        indexes: ClassVar = [
            GistIndex(
                fields=["kind", "occupies"],
                include=["resource", "hold"],
                name="entry_by_kind",
                condition=Q(holding=True),
            ),
            # What is exclusive has the index of its constraint; this is the same for what is not.
            GistIndex(
                fields=["resource", "occupies"],
                name="entry_that_leaves_a_trace",
                condition=Q(holding=True, exclusive=False),
            ),
            models.Index(fields=["hold"], name="entry_by_hold", condition=Q(hold__isnull=False)),
            models.Index(fields=["resource"], name="entry_that_is_held", condition=Q(hold__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.resource_id} {self.occupies}"
