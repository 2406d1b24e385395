"""What a site does for a file before its lease."""

from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.db.models import Q

from accounts.models import User
from reservations.models.artefact import Artefact
from reservations.models.lease import Lease
from resources.models import Resource


class Rehearsal(models.Model):
    """How the trial of a lease's files went; one row per lease, of the files that it has now."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for the site"
        PASSED = "passed", "Passed"
        FAILED = "failed", "Failed"
        IMPOSSIBLE = "impossible", "Not tried"

    lease = models.OneToOneField(Lease, on_delete=models.CASCADE, related_name="rehearsal")
    order: "models.UUIDField[UUID, UUID]" = models.UUIDField(
        default=uuid4,
        unique=True,
        help_text="Changes with the files and the device: older answers tell nothing.",
    )
    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="+")
    files: "models.JSONField[Any, Any]" = models.JSONField(default=list)
    state = models.CharField(max_length=12, choices=State.choices, default=State.WAITING)
    stage = models.CharField(max_length=200, blank=True)
    steps: "models.JSONField[Any, Any]" = models.JSONField(default=list)
    detail = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    asked_at = models.DateTimeField()
    next_try_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["next_try_at"], name="rehearsal_by_try", condition=Q(next_try_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.lease_id}: {self.state}"


class Build(models.Model):
    """The making of device files from source, at a site that has the compiler."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for the site"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    source = models.ForeignKey(Artefact, on_delete=models.CASCADE, related_name="builds")
    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="+")
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=12, choices=State.choices, default=State.WAITING)
    detail = models.TextField(blank=True)
    made: "models.ManyToManyField[Artefact, Artefact]" = models.ManyToManyField(
        Artefact, related_name="made_by"
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    asked_at = models.DateTimeField()
    next_try_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-asked_at"]
        indexes: ClassVar = [
            models.Index(fields=["next_try_at"], name="build_by_try", condition=Q(next_try_at__isnull=False))
        ]

    def __str__(self) -> str:
        return f"{self.source_id}: {self.state}"
