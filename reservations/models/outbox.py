"""What is to be sent: written with what it tells of, sent after the commit."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from reservations.models.geometry import GeometryChange
from reservations.models.lease import Lease
from reservations.models.reservation import Reservation
from reservations.policy import FOREWARN_BEFORE
from resources.models import Site


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
    """A message that somebody should get. Written with what it tells of, sent after the commit.

    What is written in the middle of a booking or of a start of many leases has no words yet: they are found
    when it is sent. Whatever becomes of it, the row stays for a while, so that nothing is said twice.
    """

    dedupe_key = models.CharField(max_length=200, unique=True)
    to = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    template = models.CharField(max_length=40, default="operator")
    reservation = models.ForeignKey(Reservation, null=True, on_delete=models.CASCADE, related_name="mails")
    facts: "models.JSONField[Any, Any]" = models.JSONField(default=dict)
    subject = models.CharField(max_length=200, blank=True)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    dropped_at = models.DateTimeField(null=True, blank=True)
    why_dropped = models.CharField(max_length=40, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="After this it is not worth sending.")
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(blank=True)
    next_try_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "message"
        indexes: ClassVar = [
            models.Index(
                fields=["next_try_at"],
                name="mail_waiting",
                condition=Q(sent_at__isnull=True, dropped_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject or self.template} to {self.to_id}"


class MessageChoices(models.Model):
    """Which messages somebody wants, where they differ from what everybody gets, and how long before."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="message_choices")
    wanted: "models.JSONField[Any, Any]" = models.JSONField(
        default=dict, help_text="A kind of message, and whether it is wanted."
    )
    start_lead = models.DurationField(default=FOREWARN_BEFORE, help_text="How long before a start.")
    end_lead = models.DurationField(default=FOREWARN_BEFORE, help_text="How long before an end.")

    class Meta:
        verbose_name_plural = "message choices"

    def __str__(self) -> str:
        return f"messages of {self.user_id}"
