"""How devices are wired: the site's topology, described once. A port holds one cable; parts use their whole's."""

from typing import ClassVar
from uuid import UUID, uuid4

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q


class Cable(models.Model):
    """A cable between a port of one device and a port of another."""

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    a = models.ForeignKey(
        "resources.Resource",
        on_delete=models.CASCADE,
        related_name="cables_from",
        verbose_name="one device",
        help_text="The device that has the port; its parts use the cable too.",
    )
    a_port = models.CharField("its port", max_length=60, help_text="As the device names it: 1/0, eth2, p0.")
    b = models.ForeignKey(
        "resources.Resource", on_delete=models.CASCADE, related_name="cables_to", verbose_name="other device"
    )
    b_port = models.CharField("the other’s port", max_length=60)
    speed_gbps = models.FloatField(
        "speed", null=True, blank=True, validators=[MinValueValidator(0.001)], help_text="In Gbit/s."
    )
    a_sets_vlan = models.BooleanField(
        "VLAN at its port", null=True, blank=True, help_text="Unknown: as the device's adapter says."
    )
    b_sets_vlan = models.BooleanField("VLAN at the other’s port", null=True, blank=True)
    between_sites = models.BooleanField(
        default=False, help_text="It leaves the site, such as a link of the federation."
    )

    class Meta:
        ordering = ["a__site", "a__name", "a_port"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(a=F("b")), name="cable_joins_two_devices"),
            models.CheckConstraint(condition=~Q(a_port="") & ~Q(b_port=""), name="cable_names_its_ports"),
            models.CheckConstraint(
                condition=Q(speed_gbps__isnull=True) | Q(speed_gbps__gt=0), name="cable_has_a_speed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.a.name} {self.a_port} — {self.b.name} {self.b_port}"


class CablePort(models.Model):
    """A port that a cable is in. Kept by the database (see the migration “cables”); nobody else writes it."""

    cable = models.ForeignKey(Cable, on_delete=models.CASCADE, related_name="ports")
    resource = models.ForeignKey("resources.Resource", on_delete=models.CASCADE, related_name="cable_ports")
    port = models.CharField(max_length=60)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["resource", "port"], name="one_cable_in_a_port")
        ]

    def __str__(self) -> str:
        return f"{self.resource_id} {self.port}"
