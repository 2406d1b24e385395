"""What devices cost and how quick they are, asked of many at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import FloatField, Min
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from resources.models import ModelSpeed, Resource

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What one device costs for an hour, and how quick it is; None where nobody has said."""

    credits_per_hour: Decimal | None = None
    speed: Decimal | None = None

    def credits(self, length: timedelta) -> Decimal | None:
        """Return what a window of this length costs."""
        if self.credits_per_hour is None:
            return None
        hours = Decimal(int(length.total_seconds())) / 3600
        return (self.credits_per_hour * hours).quantize(CENT, ROUND_HALF_UP)

    @property
    def credits_for_work(self) -> Decimal | None:
        """Return what as much work costs as the model with speed 1 does in an hour."""
        if self.credits_per_hour is None or self.speed is None:
            return None
        return (self.credits_per_hour / self.speed).quantize(CENT, ROUND_HALF_UP)


UNKNOWN = Tariff()

# The price that names the model comes before the one for the whole kind, and the newest before older ones.
_TARIFFS = """
SELECT r.id, p.credits_per_hour, s.factor
FROM resources_resource r
LEFT JOIN LATERAL (
    SELECT credits_per_hour FROM resources_price
    WHERE site_id = r.site_id AND kind = r.kind AND valid_from <= %(at)s
      AND (model = '' OR lower(model) = lower(r.model))
    ORDER BY model <> '' DESC, valid_from DESC LIMIT 1
) p ON true
LEFT JOIN resources_modelspeed s ON s.kind = r.kind AND lower(s.model) = lower(r.model)
WHERE r.id = ANY(%(resources)s)
"""


def tariffs_of(resource_ids: Collection[UUID], *, at: datetime) -> Mapping[UUID, Tariff]:
    """Return what each device costs to whoever books it at a moment, and its speed; one statement."""
    if not resource_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_TARIFFS, {"resources": list(resource_ids), "at": at})
        return {row[0]: Tariff(credits_per_hour=row[1], speed=row[2]) for row in cursor.fetchall()}


def total_credits(tariffs: Collection[Tariff], length: timedelta) -> Decimal | None:
    """Return what devices cost together; None if nobody has said so of one of them."""
    each = [tariff.credits(length) for tariff in tariffs]
    known = [one for one in each if one is not None]
    return sum(known, Decimal(0)) if len(known) == len(each) else None


def catalogue_of_models() -> list[dict[str, Any]]:
    """Return the kinds and models that can be booked, with the memory of a model and its speed; two statements."""
    speeds = {(speed.kind, speed.model.casefold()): float(speed.factor) for speed in ModelSpeed.objects.all()}
    found = (
        Resource.objects.filter(in_service=True)
        .values("kind", "model")
        .annotate(memory_gib=Min(Cast(KT("attributes__memory_gib"), FloatField())))
        .order_by("kind", "model")
    )
    return [{**one, "speed": speeds.get((one["kind"], one["model"].casefold()))} for one in found]
