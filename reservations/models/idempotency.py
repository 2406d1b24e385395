"""Answers that are kept."""

from typing import Any, ClassVar

from django.db import models

from accounts.models import User


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
