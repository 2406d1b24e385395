"""Bookings that come again and again, such as a course."""

from datetime import date, datetime, time
from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.db.models import F, Q

from accounts.models import Project, User


class Series(models.Model):
    """A rule, and what is asked for each time. Each occurrence is a reservation of its own."""

    class Every(models.TextChoices):
        DAY = "day", "Days"
        WEEK = "week", "Weeks"

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="series")
    holder = models.ForeignKey(User, on_delete=models.PROTECT, related_name="series")
    purpose = models.CharField(max_length=200, blank=True)
    every = models.CharField(max_length=4, choices=Every.choices, default=Every.WEEK)
    interval = models.PositiveSmallIntegerField(default=1, help_text="1: each day or week, 2: each second one.")
    weekdays: "models.JSONField[list[int], list[int]]" = models.JSONField(
        default=list, help_text="Of a weekly rule: 0 is Monday, 6 is Sunday."
    )
    first_on: "models.DateField[date, date]" = models.DateField()
    last_on: "models.DateField[date, date]" = models.DateField()
    start: "models.TimeField[time, time]" = models.TimeField(help_text="By the clocks of the zone.")
    end: "models.TimeField[time, time]" = models.TimeField(help_text="By the clocks of the zone.")
    nights: "models.PositiveSmallIntegerField[int, int]" = models.PositiveSmallIntegerField(
        default=0, help_text="How many days after its start an occurrence ends."
    )
    zone = models.CharField(max_length=60, help_text="Whose clocks are meant, such as Europe/Rome.")
    lines: "models.JSONField[Any, Any]" = models.JSONField(
        help_text="What is asked for each time, line by line."
    )
    links: "models.JSONField[Any, Any]" = models.JSONField(default=list, help_text="Which lines are wired.")
    same_devices = models.BooleanField(
        default=True, help_text="Where any device of a kind would do: rather the same ones each time."
    )
    created_at: "models.DateTimeField[datetime, datetime]" = models.DateTimeField(auto_now_add=True)
    cancelled_at: "models.DateTimeField[datetime | None, datetime | None]" = models.DateTimeField(
        null=True, blank=True, help_text="When the rest of it was given up."
    )

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "series"
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(last_on__gte=F("first_on")), name="series_ends_after_it_starts"),
            models.CheckConstraint(condition=Q(interval__gte=1), name="series_moves_on"),
        ]

    def __str__(self) -> str:
        return self.purpose or f"Series of {self.project} from {self.first_on:%Y-%m-%d}"


class SeriesException(models.Model):
    """A day on which a series does otherwise than its rule says."""

    class Kind(models.TextChoices):
        SKIPPED = "skipped", "Skipped"
        MOVED = "moved", "At another time"
        OTHER_DEVICES = "devices", "With other devices"

    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="exceptions")
    on: "models.DateField[date, date]" = models.DateField(help_text="The day that the rule names.")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    devices: "models.JSONField[Any, Any]" = models.JSONField(
        default=dict, blank=True, help_text="Other devices, by the place of their line."
    )
    reason = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["on"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["series", "on"], name="one_exception_a_day"),
            models.CheckConstraint(
                condition=~Q(kind="moved") | Q(starts_at__isnull=False, ends_at__gt=F("starts_at")),
                name="moved_occurrence_has_a_window",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.on:%Y-%m-%d} {self.kind}"
