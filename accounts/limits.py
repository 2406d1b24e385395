"""How much may be booked: the same limits for a site and for a project."""

from datetime import timedelta

from django.core.validators import MinValueValidator
from django.db import models


class Limits(models.Model):
    """What a site or a project allows. Empty means no limit of its own."""

    longest_lease = models.DurationField(
        null=True, blank=True, help_text="No lease may be longer, for example “2 00:00:00” for two days."
    )
    look_ahead = models.DurationField(
        null=True, blank=True, help_text="No lease may start later than this from now."
    )
    most_open_reservations = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How many unfinished reservations a project may have.",
    )
    most_hours = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How many device-hours a project may have booked and not yet used up.",
    )

    class Meta:
        abstract = True

    @property
    def most_booked(self) -> timedelta | None:
        """The limit on booked device time, as a duration."""
        return None if self.most_hours is None else timedelta(hours=self.most_hours)
