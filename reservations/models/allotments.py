"""The VLANs that reservations have for their links."""

from typing import Any, ClassVar
from uuid import UUID

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import Q

from resources.models import Cable, Site


class VlanAllotment(models.Model):
    """A VLAN of a site's pool that a reservation has for one of its cables; kept as history when it is over.

    The database lets its window follow the reservation's leases, and frees it when none of them holds a
    device any more (see the migration “vlans”).
    """

    reservation = models.ForeignKey(
        "reservations.Reservation", on_delete=models.CASCADE, related_name="vlan_allotments"
    )
    cable: "models.ForeignKey[UUID | Cable | None, Cable | None]" = models.ForeignKey(
        Cable, null=True, on_delete=models.SET_NULL, related_name="vlan_allotments"
    )
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="vlan_allotments")
    vlan = models.PositiveSmallIntegerField()
    occupies: "models.Field[Any, Any]" = DateTimeRangeField()
    holding = models.BooleanField(default=True)

    class Meta:
        ordering = ["vlan"]
        constraints: ClassVar = [
            ExclusionConstraint(
                name="vlan_once_at_a_time",
                expressions=[
                    ("site", RangeOperators.EQUAL),
                    ("vlan", RangeOperators.EQUAL),
                    ("occupies", RangeOperators.OVERLAPS),
                ],
                condition=Q(holding=True),
            ),
            models.UniqueConstraint(fields=["reservation", "cable", "site"], name="one_vlan_for_a_link"),
        ]

    def __str__(self) -> str:
        return f"VLAN {self.vlan} at {self.site_id}"
