"""Files for devices."""

from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.db import models

from accounts.models import Project, User


class Artefact(models.Model):
    """A file for a device, such as a compiled P4 program; checked before it was accepted."""

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="artefacts")
    uploaded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    adapter = models.CharField(max_length=60)
    name = models.CharField(max_length=60, help_text="The file that the adapter asks for.")
    filename = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField()
    content = models.BinaryField()
    version = models.PositiveIntegerField(
        default=1, editable=False, help_text="Counts the files of one name, in the order in which they came."
    )
    provenance = models.TextField(
        blank=True, default="", editable=False, help_text="What it was made from, if the portal had it made."
    )
    facts: "models.JSONField[Any, Any]" = models.JSONField(
        default=dict, blank=True, editable=False, help_text="What its adapter found in it, such as tables."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "adapter", "name", "filename", "version"], name="version_once_per_name"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["project", "adapter", "name", "sha256"], name="artefact_by_content")
        ]

    def __str__(self) -> str:
        return f"{self.filename}, version {self.version} ({self.sha256[:12]})"
