"""How cards are cut."""

from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.db.models import Q

from accounts.models import User
from resources.models import MaintenanceWindow, Resource


class GeometryChange(models.Model):
    """A card that is to be cut into other slices, at a time when nobody has it."""

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        ORDERED = "ordered", "Being cut"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    PENDING: ClassVar = ("planned", "ordered")

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    resource = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="geometry_changes")
    before: "models.JSONField[Any, Any]" = models.JSONField(default=list, editable=False)
    geometry: "models.JSONField[Any, Any]" = models.JSONField(
        default=list, blank=True, help_text="The profiles of the slices; none means the whole card."
    )
    window = models.OneToOneField(
        MaintenanceWindow, null=True, on_delete=models.SET_NULL, related_name="geometry_change", editable=False
    )
    closings: "models.ManyToManyField[MaintenanceWindow, MaintenanceWindow]" = models.ManyToManyField(
        MaintenanceWindow, related_name="+", editable=False
    )
    """From the change on, the slices that will be gone cannot be booked."""
    state = models.CharField(max_length=10, choices=State.choices, default=State.PLANNED, editable=False)
    starts_at = models.DateTimeField()
    deadline_at = models.DateTimeField(editable=False)
    next_action_at = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    epoch = models.BigIntegerField(null=True, editable=False)
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, editable=False)
    detail = models.TextField(blank=True, editable=False)

    class Meta:
        ordering = ["-starts_at"]
        verbose_name = "cut into slices"
        verbose_name_plural = "slices"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["resource"],
                condition=Q(state__in=["planned", "ordered"]),
                name="one_geometry_change_at_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["planned", "ordered"]) | Q(next_action_at__isnull=False),
                name="geometry_change_cannot_hang",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_action_at"],
                name="geometry_by_next_action",
                condition=Q(next_action_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resource} into {' + '.join(self.geometry) or 'one piece'}"
