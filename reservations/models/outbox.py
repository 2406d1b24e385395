"""What is to be sent: written with what it tells of, sent after the commit."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import User
from reservations.models.geometry import GeometryChange
from reservations.models.lease import Lease
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
