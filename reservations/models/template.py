"""What somebody books often, kept under a name."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.db.models import Q

from accounts.models import Project, User


class Template(models.Model):
    """A booking without a time: what is asked for, for how long and what for."""

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="templates")
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="templates")
    name = models.CharField(max_length=80)
    is_shared = models.BooleanField(
        default=False, help_text="Whether the members of the project see and use it."
    )
    purpose = models.CharField(max_length=200, blank=True)
    duration_s: "models.PositiveIntegerField[int, int]" = models.PositiveIntegerField()
    lines: "models.JSONField[Any, Any]" = models.JSONField(help_text="What is asked for, line by line.")
    links: "models.JSONField[Any, Any]" = models.JSONField(default=list, help_text="Which lines are wired.")
    created_at: "models.DateTimeField[datetime, datetime]" = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "project", "name"], name="template_once_per_name"),
            models.CheckConstraint(condition=Q(duration_s__gt=0), name="template_lasts"),
        ]

    def __str__(self) -> str:
        return self.name
