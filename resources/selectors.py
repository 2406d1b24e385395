"""Questions about *what*: each answers one and changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from resources.models import Cable, Cover, Resource, Site
from resources.recognition import Known


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


def resources_named(texts: Iterable[str]) -> list[Resource]:
    """Return the resources of these ids; a text that is none is left out."""
    keys = []
    for text in texts:
        with suppress(ValueError):
            keys.append(UUID(text))
    return list(Resource.objects.select_related("site").filter(pk__in=keys)) if keys else []


def cables_of(site: Site) -> QuerySet[Cable]:
    """Return the cables that have an end at the site."""
    return Cable.objects.select_related("a__site", "b__site").filter(Q(a__site=site) | Q(b__site=site))


def settings_of_wholes(parent: Resource | None) -> dict[str, Any]:
    """Return what a part takes over: the settings of its wholes, the outermost first."""
    if parent is None:
        return {}
    layers = Cover.objects.filter(part=parent).order_by("-depth").values_list("whole__settings", flat=True)
    return {name: value for layer in layers for name, value in layer.items()}


def settings_by_resource(resources: Iterable[Resource]) -> dict[UUID, dict[str, Any]]:
    """Return what the site gets for each resource: the settings of its wholes, overlaid by its own."""
    merged: dict[UUID, dict[str, Any]] = {resource.pk: {} for resource in resources}
    layers = Cover.objects.filter(part__in=merged).order_by("-depth").values_list("part_id", "whole__settings")
    for part, values in layers:
        merged[part] |= values
    return merged


def settings_of_parts(whole_id: UUID, own: Mapping[str, Any]) -> Iterable[tuple[Resource, dict[str, Any]]]:
    """Return each part with the settings that its site would get if the whole had these."""
    parts = {
        cover.part_id: cover.part
        for cover in Cover.objects.filter(whole=whole_id, depth__gt=0).select_related("part")
    }
    layers = (
        Cover.objects.filter(part__in=parts)
        .order_by("part", "-depth")
        .values_list("part_id", "whole_id", "whole__settings")
    )
    merged: dict[UUID, dict[str, Any]] = {part: {} for part in parts}
    for part_id, layer_id, values in layers:
        merged[part_id] |= own if layer_id == whole_id else values
    return [(part, merged[part.pk]) for part in parts.values()]


def known_trees(site: Site) -> list[Known]:
    """Return the whole devices of a site, each with its parts, as what is found is compared with them."""
    below: dict[UUID | None, list[Resource]] = {}
    for resource in Resource.objects.filter(site=site).order_by("name", "pk"):
        below.setdefault(resource.parent_id, []).append(resource)
    return [_known(root, {}, below) for root in below.get(None, [])]


def _known(
    resource: Resource, inherited: Mapping[str, Any], below: Mapping[UUID | None, Sequence[Resource]]
) -> Known:
    merged = {**inherited, **resource.settings}
    return Known(
        id=str(resource.pk),
        name=resource.name,
        kind=resource.kind,
        adapter=resource.adapter,
        serial=resource.serial,
        attributes=resource.attributes,
        all_settings=merged,
        in_service=resource.in_service,
        parts=tuple(_known(part, merged, below) for part in below.get(resource.pk, [])),
    )
