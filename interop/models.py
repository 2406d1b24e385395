"""What other programs are let in with: testbeds' tools, and people's calendars."""

from typing import ClassVar
from uuid import UUID, uuid4

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import Project, User
from resources.models import Resource, Site


class ReservationFeed(models.Model):
    """Lets a tool of a site ask who has the site's switches now. Of its secret only a digest is kept."""

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="reservation_feeds")
    name = models.CharField(max_length=100, help_text="What asks, such as “cron of rest-bfsw01”.")
    prefix = models.CharField(max_length=16, null=True, unique=True, editable=False)  # noqa: DJ001 - unique
    digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    networks = ArrayField(
        models.CharField(max_length=43),
        default=list,
        blank=True,
        help_text="From where it may ask, such as 192.0.2.0/28; empty: from anywhere.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+", editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    last_used_from = models.GenericIPAddressField(null=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=(Q(prefix__isnull=False) & ~Q(digest=""))
                | (Q(prefix__isnull=True) & ~Q(networks=[])),
                name="feed_is_guarded",
            )
        ]

    def __str__(self) -> str:
        return f"{self.site.name} · {self.name}"

    @property
    def has_secret(self) -> bool:
        """Whether a secret is asked for."""
        return self.prefix is not None


class CalendarFeed(models.Model):
    """Lets a calendar program read somebody's, a project's or a device's bookings. Only a digest is kept."""

    class Scope(models.TextChoices):
        MINE = "mine", "My reservations"
        PROJECT = "project", "A project"
        RESOURCE = "resource", "A device"

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="calendar_feeds")
    scope = models.CharField(max_length=10, choices=Scope.choices)
    project = models.ForeignKey(Project, null=True, on_delete=models.CASCADE, related_name="calendar_feeds")
    resource = models.ForeignKey(Resource, null=True, on_delete=models.CASCADE, related_name="calendar_feeds")
    shows_details = models.BooleanField(
        default=False, help_text="What for, on which device and by whom, as far as its owner may see it."
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    last_used_by = models.CharField(max_length=120, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(scope="mine", project__isnull=True, resource__isnull=True)
                | Q(scope="project", project__isnull=False, resource__isnull=True)
                | Q(scope="resource", project__isnull=True, resource__isnull=False),
                name="calendar_feed_has_its_subject",
            )
        ]

    def __str__(self) -> str:
        return str(self.project or self.resource or self.owner)
