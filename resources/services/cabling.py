"""Describing a site's cables: what a text would change, and changing it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.models import User
from resources.cabling import BadLine, Wire, read_description, wire_of
from resources.errors import InventoryRefusal, NotTheirSite
from resources.models import Cable, Resource, Site
from resources.rules import may_operate, operable_sites
from resources.selectors import cables_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a text would change."""

    added: tuple[Wire, ...] = ()
    removed: tuple[Cable, ...] = ()
    changed: tuple[tuple[Cable, Wire], ...] = ()
    """Cables of which only the speed differs."""
    kept: int = 0
    problems: tuple[BadLine, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the text says what is there already."""
        return not (self.added or self.removed or self.changed)


def preview_cables(*, site: Site, text: str, actor: User) -> Changes:
    """Return what the text would change at the site; changes nothing. Raises `NotTheirSite`."""
    if not may_operate(actor, site):
        raise NotTheirSite(f"{site} has other operators; ask one of them.")
    described = read_description(text, site=site.slug, devices=_nameable(site, actor))
    known = {wire_of(cable, site_id=site.pk).ends: cable for cable in cables_of(site)}
    wanted = {wire.ends: wire for wire in described.wires}
    kept = known.keys() & wanted.keys()
    # A link to a site that somebody else runs is theirs too: leaving it out does not remove it.
    mine = [known[ends] for ends in known.keys() - wanted.keys() if may_change(actor, known[ends])]
    return Changes(
        added=tuple(wire for ends, wire in wanted.items() if ends not in known),
        removed=tuple(sorted(mine, key=str)),
        changed=tuple(
            (known[ends], wanted[ends])
            for ends in wanted
            if ends in kept
            and wanted[ends].speed_gbps != known[ends].speed_gbps
            and may_change(actor, known[ends])
        ),
        kept=len(kept),
        problems=described.problems,
    )


def describe_cables(*, site: Site, text: str, actor: User) -> Changes:
    """Make the site's cables what the text says, all of it or nothing; return what was changed.

    Raises `InventoryRefusal` for a text that cannot be read, or a port that another cable has.
    """
    with transaction.atomic():
        Site.objects.select_for_update(no_key=True).get(pk=site.pk)
        changes = preview_cables(site=site, text=text, actor=actor)
        if changes.problems:
            first = changes.problems[0]
            raise InventoryRefusal(f"Line {first.number}: {first.message}")
        Cable.objects.filter(pk__in=[cable.pk for cable in changes.removed]).delete()
        for cable, wire in changes.changed:
            Cable.objects.filter(pk=cable.pk).update(speed_gbps=wire.speed_gbps)
        for wire in changes.added:
            _plug(wire)
    return changes


def may_change(actor: User, cable: Cable) -> bool:
    """Whether the person runs the sites of both ends."""
    return may_operate(actor, cable.a.site) and may_operate(actor, cable.b.site)


def _plug(wire: Wire) -> None:
    try:
        with transaction.atomic():
            Cable.objects.create(
                a_id=wire.a.resource_id,
                a_port=wire.a.port,
                b_id=wire.b.resource_id,
                b_port=wire.b.port,
                speed_gbps=wire.speed_gbps,
                between_sites=wire.between_sites,
            )
    except IntegrityError as error:
        raise InventoryRefusal(f"{wire}: {say_cable_error(error)}") from error


def say_cable_error(error: IntegrityError) -> str:
    """Return what the database found wrong with a cable, for people."""
    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""
    return {
        "one_cable_in_a_port": "one of its ports has another cable; remove that one first.",
        "cable_stays_at_its_site": "it leaves the site; say so by “between sites”.",
        "cable_joins_two_devices": "it would join a device with itself or with a part of itself.",
    }.get(name, "the database refused it.")


def _nameable(site: Site, actor: User) -> dict[str, Resource]:
    """Return the devices that a text may name: the site's by name, others that the person runs with their site."""
    found = Resource.objects.select_related("site")
    found = found.filter(Q(site=site) | Q(site__in=operable_sites(actor)))
    names: dict[str, Resource] = {}
    for resource in found:
        if resource.site_id == site.pk:
            names[resource.name] = resource
        names[str(resource)] = resource
    return names


def sorted_wires(site: Site) -> Sequence[Wire]:
    """Return the site's cables as lines, in the order in which people look for them."""
    return sorted((wire_of(cable, site_id=site.pk) for cable in cables_of(site)), key=str)
