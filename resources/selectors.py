"""Questions about *what*: each answers one and changes nothing."""

from typing import Any

from django.db.models import Count, Exists, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from resources.models import Cover, Resource


def described_resources() -> QuerySet[Resource]:
    """Return all resources with their sites, and where each stands among wholes and parts."""
    wholes: Any = (
        Cover.objects.filter(part=OuterRef("pk"), depth__gt=0)
        .order_by()
        .values("part")
        .annotate(wholes=Count("pk"))
        .values("wholes")
    )
    return Resource.objects.select_related("site").annotate(
        has_parts=Exists(Resource.objects.filter(parent=OuterRef("pk"))),
        depth=Coalesce(Subquery(wholes, output_field=IntegerField()), 0),
    )
