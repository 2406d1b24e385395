"""What sites reported of leases: with the orders and the moves, the log of what was done."""

from typing import ClassVar

from django.db import models

from reservations.models.lease import Lease


class LeaseReport(models.Model):
    """What a site reported of a lease, as it came; what followed from it are the lease's events."""

    id: "models.BigAutoField[int, int]" = models.BigAutoField(primary_key=True)
    lease = models.ForeignKey(Lease, on_delete=models.CASCADE, related_name="reports")
    report = models.CharField(max_length=64, help_text="The site's own name of it: the same may come often.")
    event = models.CharField(max_length=12)
    at = models.DateTimeField(help_text="By the site's clock.")
    received_at = models.DateTimeField()
    epoch = models.BigIntegerField(null=True)
    revision = models.BigIntegerField(null=True)
    final = models.BooleanField(default=False)
    verb = models.CharField(max_length=20, blank=True)
    error = models.CharField(max_length=60, blank=True)
    words = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["lease", "report"], name="report_once")]
        indexes: ClassVar = [models.Index(fields=["received_at"], name="lease_report_by_age")]

    def __str__(self) -> str:
        return f"{self.lease_id}: {self.event}"
