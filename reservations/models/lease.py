"""The holds of single devices, their history and the proofs after them."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.db.models import F, Q

from accounts.encrypted import EncryptedTextField
from accounts.models import User
from reservations.models.artefact import Artefact
from reservations.models.reservation import Reservation
from reservations.states import IN_WORKER, ON_DEVICE, OVER, Status
from resources.models import Resource


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
