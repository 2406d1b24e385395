"""What became of a site's policy: each change of it, kept for good."""

from typing import Any

from django.db import models

from accounts.models import User


class PolicyChange(models.Model):
    """A change of what a site allows: who made it, when, and each value before and after. Never changed."""

    id: "models.BigAutoField[int, int]" = models.BigAutoField(primary_key=True)
    site = models.ForeignKey("resources.Site", on_delete=models.CASCADE, related_name="policy_changes")
    at = models.DateTimeField()
    by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    changes: "models.JSONField[Any, Any]" = models.JSONField(
        help_text="For each field that changed: how it was said before, and after."
    )
    reason = models.CharField(max_length=300, blank=True)
    foreseen = models.CharField(
        max_length=300, blank=True, help_text="What the preview said of it when it was made."
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.site_id}: {', '.join(self.changes)}"
