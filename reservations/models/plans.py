"""Maintenance as it was planned: with whom it displaced, so that it can be taken back."""

from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.db.models import F, Q

from accounts.models import User
from reservations.models.lease import Lease
from resources.models import MaintenanceWindow, Resource, Site


class MaintenancePlan(models.Model):
    """Devices of a site that are kept free for a while, and what becomes of who had booked them."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waits for a second person"
        PLANNED = "planned", "Planned"
        CALLED_OFF = "called_off", "Called off"

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="maintenance_plans")
    resources: "models.ManyToManyField[Resource, Resource]" = models.ManyToManyField(Resource, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=200)
    ends_running = models.BooleanField(default=False)
    choices: "models.JSONField[Any, Any]" = models.JSONField(
        default=dict, help_text="Where each displaced lease goes: a device, or nothing to cancel it."
    )
    windows: "models.ManyToManyField[MaintenanceWindow, MaintenanceWindow]" = models.ManyToManyField(
        MaintenanceWindow, related_name="plans"
    )
    state = models.CharField(max_length=12, choices=State.choices)
    planned_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    planned_at = models.DateTimeField()
    confirmed_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    called_off_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    called_off_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-planned_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(confirmed_by__isnull=True) | ~Q(confirmed_by=F("planned_by")),
                name="nobody_confirms_their_own_plan",
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="plan_ends_after_it_starts"),
        ]

    def __str__(self) -> str:
        return f"{self.site}: {self.reason}"


class Displacement(models.Model):
    """What a plan did to one lease, and what became of that when the plan was called off."""

    class Fate(models.TextChoices):
        MOVED = "moved", "Moved"
        CANCELLED = "cancelled", "Cancelled"
        SHORTENED = "shortened", "Ends earlier"
        ENDED = "ended", "Ended at once"

    plan = models.ForeignKey(MaintenancePlan, on_delete=models.CASCADE, related_name="displacements")
    lease = models.ForeignKey(Lease, on_delete=models.CASCADE, related_name="displacements")
    fate = models.CharField(max_length=10, choices=Fate.choices)
    was_on = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="+")
    went_to = models.ForeignKey(Resource, null=True, on_delete=models.PROTECT, related_name="+")
    ended_at_before = models.DateTimeField()
    taken_back = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.lease_id}: {self.fate}"
