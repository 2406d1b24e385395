"""The nouns of *when*. Only services write them; a lease's status moves through `services.gate`."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.contrib.postgres.indexes import GistIndex
from django.db import models
from django.db.models import F, Q

from accounts.models import Project, User
from reservations.allotments import VlanAllotment as VlanAllotment
from reservations.encrypted import EncryptedTextField
from reservations.states import IN_WORKER, ON_DEVICE, OVER, Status
from resources.models import MaintenanceWindow, Resource, Site


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


class Reservation(models.Model):
    """The ask: one project, one window, one or more resources. It has no status of its own."""

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="reservations")
    holder = models.ForeignKey(User, on_delete=models.PROTECT, related_name="reservations")
    purpose = models.CharField(max_length=200, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    wiring: "models.JSONField[Any, Any]" = models.JSONField(
        null=True, blank=True, help_text="Which of its devices have to be able to talk to each other."
    )
    version = models.PositiveIntegerField(default=1, help_text="Counts its changes, for pages that watch it.")

    class Meta:
        ordering = ["-starts_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="reservation_ends_after_it_starts"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["holder", "-starts_at"], name="reservation_by_holder"),
            models.Index(fields=["project", "ends_at"], name="reservation_by_project"),
        ]

    def __str__(self) -> str:
        return self.purpose or f"{self.project} from {self.starts_at:%Y-%m-%d %H:%M} UTC"


class Lease(models.Model):
    """The hold of exactly one resource for the window; the only thing with a status."""

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    reservation = models.ForeignKey(Reservation, on_delete=models.PROTECT, related_name="leases")
    resource = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="leases")
    status = models.CharField(max_length=16, choices=Status.choices, editable=False)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    preparation_s = models.PositiveIntegerField()
    cleanup_s = models.PositiveIntegerField()
    wish: "models.JSONField[Any, Any]" = models.JSONField(
        null=True, blank=True, help_text="What was asked for, when any device of a kind would do."
    )
    parameters: "models.JSONField[Any, Any]" = models.JSONField(default=dict, blank=True)
    artefacts: "models.ManyToManyField[Artefact, Artefact]" = models.ManyToManyField(Artefact, blank=True)
    epoch = models.BigIntegerField(null=True, blank=True, editable=False)
    revision = models.PositiveIntegerField(default=0, editable=False)
    next_action_at = models.DateTimeField(null=True, blank=True, editable=False)
    deadline_at = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    prepared_at = models.DateTimeField(null=True, blank=True, editable=False)
    opened_at = models.DateTimeField(null=True, blank=True, editable=False)
    isolated_at = models.DateTimeField(null=True, blank=True, editable=False)
    access = EncryptedTextField(blank=True, default="", editable=False)
    trouble = models.TextField(blank=True, default="", editable=False)

    class Meta:
        ordering = ["starts_at"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="lease_ends_after_it_starts"),
            models.CheckConstraint(
                condition=Q(status__in=sorted(OVER)) | Q(next_action_at__isnull=False),
                name="lease_cannot_hang",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=sorted(IN_WORKER)) | Q(deadline_at__isnull=False),
                name="lease_in_worker_has_a_deadline",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=sorted(ON_DEVICE)) | Q(epoch__isnull=False),
                name="lease_on_device_has_an_epoch",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_action_at"],
                name="lease_by_next_action",
                condition=Q(next_action_at__isnull=False),
            ),
            models.Index(fields=["resource", "-starts_at"], name="lease_by_resource"),
        ]

    def __str__(self) -> str:
        return f"{self.resource} from {self.starts_at:%Y-%m-%d %H:%M} UTC"

    def is_over(self, now: datetime) -> bool:
        """Whether the window has passed."""
        return self.ends_at <= now


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


class CalendarEntry(models.Model):
    """What is kept free of others on one resource: by a lease, or by maintenance.

    Kept by the database (see the migration “calendar”); nobody else writes it. A lease of a whole
    has an exclusive entry on the whole and on each part. A lease of a part also leaves a trace,
    an entry that is not exclusive, on each whole it belongs to: enough to see that the whole is
    not free, not enough to keep the other parts from being booked.
    """

    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="calendar_entries")
    kind = models.CharField(max_length=40)
    lease = models.ForeignKey(Lease, null=True, on_delete=models.CASCADE, related_name="calendar_entries")
    maintenance = models.ForeignKey(
        MaintenanceWindow, null=True, on_delete=models.CASCADE, related_name="calendar_entries"
    )
    occupies = DateTimeRangeField()
    exclusive = models.BooleanField()
    holding = models.BooleanField()
    on_device = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            ExclusionConstraint(
                name="no_double_booking",
                expressions=[("resource", RangeOperators.EQUAL), ("occupies", RangeOperators.OVERLAPS)],
                condition=Q(holding=True, exclusive=True),
            ),
            models.UniqueConstraint(
                fields=["resource"],
                condition=Q(on_device=True, exclusive=True),
                name="one_lease_on_a_device",
            ),
            models.CheckConstraint(
                condition=Q(lease__isnull=False, maintenance__isnull=True)
                | Q(lease__isnull=True, maintenance__isnull=False),
                name="entry_is_of_a_lease_or_of_maintenance",
            ),
        ]
        indexes: ClassVar = [
            GistIndex(
                fields=["kind", "occupies"],
                include=["resource"],
                name="entry_by_kind",
                condition=Q(holding=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resource_id} {self.occupies}"


class LeaseEvent(models.Model):
    """One move of a lease: the history page and the audit are these rows. Never changed."""

    id: "models.BigAutoField[int, int]" = models.BigAutoField(primary_key=True)
    lease = models.ForeignKey(Lease, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField()
    actor = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    source = models.CharField(max_length=16, blank=True)
    to = models.CharField(max_length=16, choices=Status.choices)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.source} → {self.to}: {self.reason}"


class Proof(models.Model):
    """The evidence that a device was clean after a lease. Never changed."""

    lease = models.ForeignKey(Lease, on_delete=models.PROTECT, related_name="proofs")
    resource = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="proofs")
    epoch = models.BigIntegerField()
    is_clean = models.BooleanField()
    checks: "models.JSONField[Any, Any]" = models.JSONField()
    verified_at = models.DateTimeField()
    verifier = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-verified_at"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["lease", "digest"], name="proof_once")]

    def __str__(self) -> str:
        return f"{self.resource_id} {'clean' if self.is_clean else 'not clean'} at {self.verified_at:%c}"


class LeaseUse(models.Model):
    """What was measured of a lease on one day (UTC): one row, however many steps and columns.

    `packed` holds the columns (see `reservations.packing`), a value for each step of the day; what is asked of
    many leases at once stands beside it as numbers. Old days are folded to steps of an hour.
    """

    lease = models.ForeignKey(Lease, on_delete=models.CASCADE, related_name="use")
    day = models.DateField()
    step_s = models.PositiveIntegerField(default=60)
    packed = models.BinaryField(default=b"")
    devices = models.PositiveSmallIntegerField(default=0, help_text="How many cards told how busy they were.")
    measured_s = models.FloatField(default=0, help_text="Seconds in which that is known, added over the cards.")
    busy_s = models.FloatField(default=0, help_text="The same, each second weighed by how busy the card was.")
    unmeasured = models.TextField(blank=True, default="", help_text="Why it could not be measured.")
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["lease", "day"], name="use_once_per_day")]
        indexes: ClassVar = [
            models.Index(fields=["day"], name="use_to_fold", condition=Q(step_s=60)),
        ]

    def __str__(self) -> str:
        return f"{self.lease_id} on {self.day}"


class GeometryChange(models.Model):
    """A card that is to be cut into other slices, at a time when nobody has it."""

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        ORDERED = "ordered", "Being cut"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    PENDING: ClassVar = ("planned", "ordered")

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    resource = models.ForeignKey(Resource, on_delete=models.PROTECT, related_name="geometry_changes")
    before: "models.JSONField[Any, Any]" = models.JSONField(default=list, editable=False)
    geometry: "models.JSONField[Any, Any]" = models.JSONField(
        default=list, blank=True, help_text="The profiles of the slices; none means the whole card."
    )
    window = models.OneToOneField(
        MaintenanceWindow, null=True, on_delete=models.SET_NULL, related_name="geometry_change", editable=False
    )
    closings: "models.ManyToManyField[MaintenanceWindow, MaintenanceWindow]" = models.ManyToManyField(
        MaintenanceWindow, related_name="+", editable=False
    )
    """From the change on, the slices that will be gone cannot be booked."""
    state = models.CharField(max_length=10, choices=State.choices, default=State.PLANNED, editable=False)
    starts_at = models.DateTimeField()
    deadline_at = models.DateTimeField(editable=False)
    next_action_at = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    epoch = models.BigIntegerField(null=True, editable=False)
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, editable=False)
    detail = models.TextField(blank=True, editable=False)

    class Meta:
        ordering = ["-starts_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["resource"],
                condition=Q(state__in=["planned", "ordered"]),
                name="one_geometry_change_at_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["planned", "ordered"]) | Q(next_action_at__isnull=False),
                name="geometry_change_cannot_hang",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_action_at"],
                name="geometry_by_next_action",
                condition=Q(next_action_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resource} into {' + '.join(self.geometry) or 'one piece'}"


class OutgoingOrder(models.Model):
    """An order that a site should get. Written with the move that needs it, sent after the commit."""

    lease = models.ForeignKey(Lease, null=True, on_delete=models.CASCADE, related_name="orders")
    geometry_change = models.ForeignKey(
        GeometryChange, null=True, on_delete=models.CASCADE, related_name="orders"
    )
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="orders")
    verb = models.CharField(max_length=10)
    revision = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["id"], name="order_unsent", condition=Q(sent_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.lease_id} to {self.site_id}"


class OutgoingMail(models.Model):
    """A message that somebody should get. Written with what it tells of, sent after the commit."""

    dedupe_key = models.CharField(max_length=200, unique=True)
    to = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    subject = models.CharField(max_length=200)
    body = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["next_try_at"], name="mail_unsent", condition=Q(sent_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.subject} to {self.to_id}"


class IdempotencyKey(models.Model):
    """The answer to a request, kept so that the same request again gets the same answer."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    body_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    response: "models.JSONField[Any, Any]" = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "key"], name="key_once_per_user")]

    def __str__(self) -> str:
        return f"{self.key} of {self.user_id}"
