"""Institutions and the people who sign in."""

from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _


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

    is_auditor = models.BooleanField(
        _("auditor"),
        default=False,
        help_text=_(
            "Reads everything of the federation and changes nothing; sees nothing that opens a device."
        ),
    )
    second_factor_since = models.DateTimeField(null=True, blank=True, editable=False)
    """Since when there is one: kept in step with the authenticators, so that no question needs a statement."""

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    @property
    def rights_count(self) -> bool:
        """Whether rights over what is others' count: only with a second factor, where the portal asks for it."""
        return not settings.SHARY_REQUIRE_SECOND_FACTOR or self.second_factor_since is not None

    @property
    def is_federation_manager(self) -> bool:
        """Whether the person runs the federation."""
        return self.is_active and self.is_superuser and self.rights_count

    @property
    def is_federation_auditor(self) -> bool:
        """Whether the person reads everything of the federation."""
        return self.is_active and self.is_auditor and self.rights_count

    @cached_property
    def may_enter_desk(self) -> bool:
        """Whether the admin has anything for them, once their rights count."""
        return self.is_superuser or self.is_auditor or self.operatorships.exists()
