"""What somebody asked for."""

from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.db.models import F, Q

from accounts.models import Project, User
from reservations.models.series import Series


class Reservation(models.Model):
    """The ask: one project, one window, one or more resources. It has no status of its own."""

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="reservations")
    holder = models.ForeignKey(User, on_delete=models.PROTECT, related_name="reservations")
    purpose = models.CharField(max_length=200, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    wiring: "models.JSONField[Any, Any]" = models.JSONField(
        null=True, blank=True, help_text="Which of its devices have to be able to talk to each other."
    )
    series = models.ForeignKey(
        Series, null=True, blank=True, on_delete=models.SET_NULL, related_name="reservations"
    )
    occurrence_on = models.DateField(
        null=True, blank=True, help_text="The day of its series that it stands for."
    )
    version = models.PositiveIntegerField(default=1, help_text="Counts its changes, for pages that watch it.")

    class Meta:
        ordering = ["-starts_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="reservation_ends_after_it_starts"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["holder", "-starts_at"], name="reservation_by_holder"),
            models.Index(fields=["project", "ends_at"], name="reservation_by_project"),
        ]

    def __str__(self) -> str:
        return self.purpose or f"{self.project} from {self.starts_at:%Y-%m-%d %H:%M} UTC"
