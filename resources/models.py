"""The nouns of *what*. A resource is facts only: what it can do is the adapter's."""

from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Lower
from django.utils.translation import gettext_lazy as _

from accounts.limits import Limits
from accounts.models import IdentityProvider, Organisation, User, validate_time_zone
from resources.cables import Cable as Cable
from resources.cables import CablePort as CablePort
from resources.policies import PolicyChange as PolicyChange
from resources.tariffs import ModelSpeed as ModelSpeed
from resources.tariffs import Price as Price
from resources.vlans import check_pool

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
    ends_unfit_leases = models.BooleanField(
        "end leases of unfit devices",
        default=False,
        help_text="When a device reports an error that only an operator can judge: end the lease that runs on"
        " it. Otherwise its holder is told and goes on.",
    )
    second_person = models.BooleanField(
        "two people for what cannot be taken back",
        default=True,
        help_text="Vouching for a device, and ending another project’s running lease, take a second person: another"
        " operator of the site, or a federation manager.",
    )
    vlan_pool = models.CharField(
        "VLAN pool",
        max_length=200,
        blank=True,
        validators=[check_pool],
        help_text="VLANs that leases may be given for their links, such as 200-219, 300.",
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
    source = models.CharField(
        max_length=40,
        default="manual",
        editable=False,
        help_text="Who says so: “manual” for people, else the home organisation's identity provider.",
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "user"], name="operator_once_per_site")
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.site}"


class OperatorRule(models.Model):
    """Which group, said by one identity provider, runs a site. That the rule is there lets the provider say so."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="operator_rules")
    provider = models.ForeignKey(IdentityProvider, on_delete=models.CASCADE, related_name="operator_rules")
    group = models.CharField(
        _("group"), max_length=300, help_text=_("With subgroups behind colons: testbed:operators.")
    )
    role_there = models.CharField(
        _("role there"),
        max_length=100,
        blank=True,
        help_text=_("Only with this role in the group; empty: any."),
    )

    class Meta:
        verbose_name = _("rule for operators")
        verbose_name_plural = _("rules for operators")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["site", "provider", "group", "role_there"], name="one_operator_rule_per_group"
            )
        ]

    def __str__(self) -> str:
        return f"{self.group} of {self.provider} runs {self.site}"


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
    serial = models.CharField(
        max_length=120,
        blank=True,
        help_text="Its serial number or UUID: what it is known by again when it has moved.",
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
    unhealthy_since = models.DateTimeField(null=True, blank=True, editable=False)
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


class Discovery(models.Model):
    """A question to a site: what is found behind these settings. Asked again until it is answered."""

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="discoveries")
    resource = models.ForeignKey(
        Resource,
        null=True,
        on_delete=models.SET_NULL,
        related_name="discoveries",
        help_text="The whole device asked about; empty for one that is not in the inventory yet.",
    )
    adapter = models.CharField(max_length=60)
    settings: "models.JSONField[Any, Any]" = models.JSONField(
        default=dict, help_text="What was asked about, with the names of secrets."
    )
    asked_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, help_text="When it is sent (again); empty once it is over.")
    give_up_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    found_at = models.DateTimeField(null=True, help_text="When the site looked, by its own clock.")
    devices: "models.JSONField[Any, Any]" = models.JSONField(default=list)
    error = models.CharField(max_length=40, blank=True, help_text="“Silent” when no answer came.")
    failure = models.TextField(blank=True)

    class Meta:
        ordering = ["-asked_at"]
        verbose_name_plural = "discoveries"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["resource"],
                condition=models.Q(resource__isnull=False, next_try_at__isnull=False),
                name="one_open_question_per_resource",
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_try_at"],
                name="discovery_by_next_try",
                condition=models.Q(next_try_at__isnull=False),
            ),
            models.Index(fields=["site", "-asked_at"], name="discovery_by_site"),
        ]

    def __str__(self) -> str:
        return f"{self.site.name}: {self.adapter} asked at {self.asked_at:%c}"

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is still hoped for."""
        return self.next_try_at is not None


class Decision(models.Model):
    """What an operator decided about one line of what was found: the audit of the inventory. Never changed."""

    class Verb(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        IGNORED = "ignored", "Ignored"
        SHOWN = "shown", "Shown again"

    id: "models.BigAutoField[int, int]" = models.BigAutoField(primary_key=True)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="decisions")
    discovery = models.ForeignKey(Discovery, null=True, on_delete=models.SET_NULL, related_name="decisions")
    resource = models.ForeignKey(Resource, null=True, on_delete=models.SET_NULL, related_name="decisions")
    fingerprint = models.CharField(max_length=64)
    verb = models.CharField(max_length=10, choices=Verb.choices)
    line: "models.JSONField[Any, Any]" = models.JSONField(
        help_text="What it said: of which device, and the old value and the new one of each field."
    )
    by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes: ClassVar = [models.Index(fields=["site", "fingerprint"], name="decision_by_line")]

    def __str__(self) -> str:
        return f"{self.line.get('words', self.fingerprint)}: {self.verb}"


class Unfitness(models.Model):
    """An error of a device that only an operator can judge; from its first sight until it is seen no more."""

    id: "models.BigAutoField[int, int]" = models.BigAutoField(primary_key=True)
    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="unfitnesses")
    reason = models.TextField()
    fingerprint = models.CharField(max_length=64)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    lifted_because = models.TextField(blank=True)
    gone_at = models.DateTimeField(
        null=True, help_text="When it was seen no more, after it was lifted: if it comes again, it is new."
    )

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "unfitnesses"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["resource", "fingerprint"],
                condition=models.Q(gone_at__isnull=True),
                name="unfitness_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.resource_id}: {self.reason}"
