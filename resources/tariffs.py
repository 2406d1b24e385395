"""What an hour of a device costs at a site, in credits, and how quick models are compared with each other."""

from typing import ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from accounts.models import User


class Price(models.Model):
    """Credits for an hour of a kind of device at a site, from a moment on.

    Never changed once it counts: another price is another row, so that what was booked before keeps its price.
    """

    site = models.ForeignKey("resources.Site", on_delete=models.CASCADE, related_name="prices")
    kind = models.CharField(max_length=40, help_text="Such as gpu, gpu_slice, p4_switch or smart_nic.")
    model = models.CharField(max_length=200, blank=True, help_text="Empty: every model of the kind.")
    credits_per_hour = models.DecimalField(
        max_digits=10, decimal_places=2, validators=[MinValueValidator(0)], help_text="Zero: free of charge."
    )
    valid_from = models.DateTimeField(help_text="Bookings made from then on cost this.")
    set_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    class Meta:
        ordering = ["site", "kind", "model", "-valid_from"]
        constraints: ClassVar = [
            models.UniqueConstraint("site", "kind", Lower("model"), "valid_from", name="one_price_at_a_time"),
            models.CheckConstraint(condition=Q(credits_per_hour__gte=0), name="price_is_not_below_nothing"),
        ]

    def __str__(self) -> str:
        return f"{self.credits_per_hour} credits for an hour of {self.model or self.kind} at {self.site_id}"


class ModelSpeed(models.Model):
    """How quick a model is beside the one that counts as 1; what nobody has measured has no row."""

    kind = models.CharField(max_length=40, help_text="Such as gpu or smart_nic.")
    model = models.CharField(max_length=200)
    factor = models.DecimalField(
        max_digits=8,
        decimal_places=3,
        validators=[MinValueValidator(0.001)],
        help_text="2 does twice as much in an hour as the model that has 1.",
    )
    source = models.CharField(max_length=300, help_text="Where the number comes from.")

    class Meta:
        ordering = ["kind", "-factor"]
        verbose_name = "speed of a model"
        verbose_name_plural = "speeds of models"
        constraints: ClassVar = [
            models.UniqueConstraint("kind", Lower("model"), name="one_speed_for_a_model"),
            models.CheckConstraint(condition=Q(factor__gt=0), name="speed_is_above_nothing"),
        ]

    def __str__(self) -> str:
        return f"{self.model} × {self.factor}"
