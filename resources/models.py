"""The nouns of *what*. A resource is facts only: what it can do is the adapter's."""

from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Lower

from accounts.limits import Limits
from accounts.models import Organisation, User, validate_time_zone

# A site that has not been heard for this long is shown as unreachable.
SILENT_AFTER = timedelta(seconds=30)


class Site(Limits):
    """One institution's part of the testbed, with its operators and its policy."""

    class Approval(models.TextChoices):
        AUTOMATIC = "automatic", "Automatic"
        OPERATOR = "operator", "By an operator"

    slug = models.SlugField(unique=True, help_text="Its queue is called site.<slug>; never change it.")
    name = models.CharField(max_length=200)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="sites")
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    contact_email = models.EmailField(blank=True)
    latitude = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(-90), MaxValueValidator(90)]
    )
    longitude = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(-180), MaxValueValidator(180)]
    )
    approval = models.CharField(max_length=16, choices=Approval.choices, default=Approval.AUTOMATIC)
    start_grace = models.DurationField(
        default=timedelta(minutes=10),
        help_text="How long after its start a lease may still become ready before it is given up.",
    )
    public_key = models.CharField(
        max_length=64, blank=True, help_text="The site worker's public key, as it prints it."
    )
    last_heard_at = models.DateTimeField(null=True, blank=True, editable=False)
    operators: "models.ManyToManyField[User, Operatorship]" = models.ManyToManyField(
        User, through="Operatorship", related_name="operated_sites"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def queue(self) -> str:
        """The queue that the site's workers listen on."""
        return f"site.{self.slug}"

    def is_reachable(self, now: datetime) -> bool:
        """Whether the site was heard of late."""
        return self.last_heard_at is not None and now - self.last_heard_at < SILENT_AFTER


class Operatorship(models.Model):
    """A user who runs a site."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="operatorships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="operatorships")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "user"], name="operator_once_per_site")
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.site}"


class Resource(models.Model):
    """One bookable device, or one bookable part of a shared device."""

    class Health(models.TextChoices):
        UNKNOWN = "unknown", "Not yet seen"
        HEALTHY = "healthy", "Healthy"
        UNHEALTHY = "unhealthy", "Unhealthy"

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="resources")
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="parts",
        help_text="The device that this is a part of. Taking the whole takes its parts.",
    )
    name = models.CharField(max_length=100, help_text="For people: “L40S 3”.")
    kind = models.CharField(max_length=40)
    adapter = models.CharField(max_length=60)
    attributes: "models.JSONField[Any, Any]" = models.JSONField(default=dict, blank=True)
    model = models.GeneratedField(
        expression=Coalesce(KT("attributes__model"), models.Value(""), output_field=models.TextField()),
        output_field=models.TextField(),
        db_persist=True,
    )
    settings: "models.JSONField[Any, Any]" = models.JSONField(
        default=dict,
        blank=True,
        help_text="How the site reaches it, over those of the whole. Names of secrets, never secrets.",
    )
    preparation_s = models.PositiveIntegerField(
        default=60, help_text="Seconds kept free before each lease to make the device ready."
    )
    cleanup_s = models.PositiveIntegerField(
        default=60, help_text="Seconds kept free after each lease to clean the device and prove it."
    )
    in_service = models.BooleanField(default=True, help_text="Only devices in service can be booked.")
    quarantined_at = models.DateTimeField(null=True, blank=True, editable=False)
    quarantine_reason = models.TextField(blank=True, editable=False)
    health = models.CharField(max_length=12, choices=Health.choices, default=Health.UNKNOWN, editable=False)
    health_detail = models.TextField(blank=True, editable=False)
    observed_at = models.DateTimeField(null=True, blank=True, editable=False)
    measurements: "models.JSONField[Any, Any]" = models.JSONField(default=dict, blank=True, editable=False)

    class Meta:
        ordering = ["site", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "name"], name="resource_name_once_per_site"),
            models.CheckConstraint(
                condition=~models.Q(parent=models.F("id")), name="resource_is_no_part_of_itself"
            ),
        ]
        indexes: ClassVar = [
            models.Index(F("kind"), Lower("model"), name="resource_by_kind_and_model"),
        ]

    def __str__(self) -> str:
        return f"{self.site.name} · {self.name}"


class Cover(models.Model):
    """Which resources a resource takes with it: itself and all its parts.

    Kept by the database (see the migration “covers”); nobody else writes it.
    """

    whole = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="covers")
    part = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="covered_by")
    depth = models.PositiveSmallIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["whole", "part"], name="cover_once")]

    def __str__(self) -> str:
        return f"{self.whole_id} covers {self.part_id}"


class MaintenanceWindow(models.Model):
    """A time in which a resource and its parts cannot be booked."""

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="maintenance_windows")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["starts_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")), name="maintenance_ends_after_it_starts"
            )
        ]

    def __str__(self) -> str:
        return f"{self.resource}: {self.reason or 'maintenance'}"
