"""Institutions and the people who sign in."""

from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.functional import cached_property


def validate_time_zone(name: str) -> None:
    """Refuse a name that the IANA time zone database does not know."""
    if name not in available_timezones():
        raise ValidationError(f"“{name}” is no time zone; write it like Europe/Rome.")


class Organisation(models.Model):
    """An institution: the home of users, the owner of sites."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=200)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """Somebody who signs in."""

    home_organisation = models.ForeignKey(
        Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="users"
    )
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        validators=[validate_time_zone],
        help_text="Times are shown in this zone; empty means the browser's.",
    )

    language = models.CharField(
        max_length=8,
        blank=True,
        choices=settings.LANGUAGES,
        help_text="Messages come in this language; empty means English.",
    )

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    @cached_property
    def may_enter_desk(self) -> bool:
        """Whether the admin has anything for them: they run the federation, or a site."""
        return self.is_superuser or self.operatorships.exists()
