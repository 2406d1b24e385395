"""Deciding about what was found: the one place where an answer of a site is written into the inventory."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import User
from adapters.catalogue import CATALOGUE
from adapters.contract import AdapterDescription, Problem
from resources.differences import Line
from resources.errors import InventoryRefusal, NothingToDecide, NotTheirSite
from resources.findings import lines_of
from resources.models import Cover, Decision, Discovery, Resource, Site
from resources.naming import propose_name, words_of
from resources.rules import may_operate
from resources.selectors import known_trees, settings_of_parts, settings_of_wholes
from resources.services.discovery import errors_of

Verb = Decision.Verb


def accept(
    *,
    discovery_id: UUID,
    fingerprints: Collection[str],
    actor: User,
    now: datetime,
    names: Mapping[str, str] | None = None,
) -> list[Decision]:
    """Write lines into the inventory: all of them, or none.

    A new device takes its new parts with it. `names` are those that the operator gave to new devices, by
    fingerprint. Raises `NothingToDecide` when a line is not there any more, and `InventoryRefusal` with what
    is wrong with each field when the adapter could not work with the result.
    """
    with transaction.atomic():
        discovery, lines = _locked(discovery_id, actor)
        wanted = _with_their_parts(lines, fingerprints)
        _refuse_gone(discovery.site, wanted, fingerprints)
        taken = set(Resource.objects.filter(site=discovery.site).values_list("name", flat=True))
        entering = _Entering(discovery, names or {}, taken)
        # The old makes room first: a new card may have the name or the place of one that is gone.
        ordered = sorted(wanted.values(), key=lambda line: (line.kind == "new", line.depth))
        touched = [(line, *entering.write(line)) for line in ordered]
        for line, resource, before in touched:
            _check(resource, line, before)
        return [
            _note(discovery, line, Verb.ACCEPTED, actor, now, resource=resource, before=before)
            for line, resource, before in touched
        ]


def ignore(*, discovery_id: UUID, fingerprints: Collection[str], actor: User, now: datetime) -> list[Decision]:
    """Leave lines alone until they say something else."""
    return _decide(discovery_id, fingerprints, Verb.IGNORED, actor, now)


def show_again(
    *, discovery_id: UUID, fingerprints: Collection[str], actor: User, now: datetime
) -> list[Decision]:
    """Take back that lines were ignored."""
    return _decide(discovery_id, fingerprints, Verb.SHOWN, actor, now)


def _decide(
    discovery_id: UUID, fingerprints: Collection[str], verb: Verb, actor: User, now: datetime
) -> list[Decision]:
    with transaction.atomic():
        discovery, lines = _locked(discovery_id, actor)
        wanted = {key: lines[key] for key in fingerprints if key in lines}
        _refuse_gone(discovery.site, wanted, fingerprints)
        return [
            _note(
                discovery,
                line,
                verb,
                actor,
                now,
                resource=Resource.objects.filter(pk=line.resource).first() if line.resource else None,
            )
            for line in wanted.values()
        ]


def _locked(discovery_id: UUID, actor: User) -> tuple[Discovery, dict[str, Line]]:
    """Return the answer and its lines as they are now, with the site held: one decision at a time."""
    discovery = (
        Discovery.objects.select_related("site", "resource")
        .filter(pk=discovery_id, answered_at__isnull=False, error="")
        .first()
    )
    if discovery is None or not may_operate(actor, discovery.site):
        raise NotTheirSite("There is no such answer, or it is of a site that you do not operate.")
    Site.objects.select_for_update(no_key=True).get(pk=discovery.site_id)
    lines = lines_of(discovery, known_trees(discovery.site))
    return discovery, {line.fingerprint: line for line in lines}


def _with_their_parts(lines: Mapping[str, Line], fingerprints: Collection[str]) -> dict[str, Line]:
    wanted = {key: lines[key] for key in fingerprints if key in lines}
    for key, line in lines.items():  # wholes come before their parts
        if line.under in wanted:
            wanted[key] = line
    for line in wanted.values():
        if line.under and line.under not in wanted:
            raise InventoryRefusal(
                f"{line.device} is a part of {lines[line.under].device}, which is not in the inventory:"
                " accept the whole, and its parts come with it."
            )
    return wanted


def _refuse_gone(site: Site, wanted: Mapping[str, Line], fingerprints: Collection[str]) -> None:
    gone = [key for key in fingerprints if key not in wanted]
    if not fingerprints or gone:
        last = Decision.objects.filter(site=site, fingerprint__in=gone).select_related("by").first()
        if last is not None and last.verb == Verb.ACCEPTED:
            raise NothingToDecide(
                f"{last.by or 'Somebody'} accepted this already: {last.line.get('words', '')}"
            )
        raise NothingToDecide(
            "There is nothing to decide any more: the inventory says the same by now, or a newer answer came."
        )


class _Entering:
    """Writes lines, wholes before parts, and remembers what it made."""

    def __init__(self, discovery: Discovery, names: Mapping[str, str], taken: set[str]) -> None:
        self.discovery = discovery
        self.names = names
        self.taken = taken
        self.made: dict[str, Resource] = {}

    def write(self, line: Line) -> tuple[Resource, dict[str, Any]]:
        """Write one line; return the device and the fields of it as they were."""
        match line.kind:
            case "new":
                return self._enter(line)
            case "missing":
                return self._retire(line.resource), {"in_service": True}
            case "moved" | "changed":
                return self._change(line)

    def _enter(self, line: Line) -> tuple[Resource, dict[str, Any]]:
        found = line.found
        assert found is not None  # noqa: S101  # a new line carries what was found
        adapter = CATALOGUE[self.discovery.adapter]
        whole = self.made.get(line.under)
        if line.whole:
            whole = Resource.objects.get(pk=line.whole)
        if line.replaces:
            self._retire(line.replaces)
        name = self.names.get(line.fingerprint, "").strip() or propose_name(found, whole, self.taken)
        if name in self.taken:
            raise InventoryRefusal(
                f"There is a device “{name}” at {self.discovery.site} already.",
                {"name": [f"“{name}” is taken; give {found.name} another name."]},
            )
        self.taken.add(name)
        settings = dict(found.settings) if whole else {**self.discovery.settings, **found.settings}
        resource = Resource.objects.create(
            site=self.discovery.site,
            parent=whole,
            name=name,
            kind=found.kind,
            adapter=adapter.name,
            serial=found.serial,
            attributes=_said(found.attributes),
            settings=settings,
            preparation_s=int(adapter.preparation.total_seconds()),
            cleanup_s=int(adapter.cleanup.total_seconds()),
        )
        self.made[line.fingerprint] = resource
        if whole is None and self.discovery.resource is None:
            # From now on it is asked about as the device that it has become.
            self.discovery.resource = resource
            self.discovery.save(update_fields=["resource"])
        return resource, {}

    def _retire(self, resource_id: str) -> Resource:
        """Keep a device and its parts from being booked; what is booked already stays booked."""
        parts = Cover.objects.filter(whole=UUID(resource_id)).values("part")
        Resource.objects.filter(pk__in=parts).update(in_service=False)
        return Resource.objects.get(pk=resource_id)

    def _change(self, line: Line) -> tuple[Resource, dict[str, Any]]:
        resource = Resource.objects.select_for_update(no_key=True).get(pk=line.resource)
        before: dict[str, Any] = {}
        for change in line.changes:
            if change.place == "serial":
                before["serial"], resource.serial = resource.serial, change.new
            else:
                values = getattr(resource, change.place)
                before[f"{change.place}.{change.name}"] = values.get(change.name)
                values[change.name] = _plain(change.new)
        resource.save(update_fields=["serial", "attributes", "settings"])
        return resource, before


def _check(resource: Resource, line: Line, before: Mapping[str, Any]) -> None:
    """Refuse what the adapter could not work with, as the form for a device does."""
    if line.kind == "missing":
        return
    adapter = CATALOGUE[resource.adapter]
    errors: dict[str, list[str]] = {}
    if resource.kind not in adapter.kinds:
        errors["kind"] = [f"{adapter.title} drives: {', '.join(adapter.kinds)}."]
    _collect(errors, "attributes", adapter.check_attributes(resource.attributes))
    merged = {**settings_of_wholes(resource.parent), **resource.settings}
    _collect(errors, "settings", adapter.check_settings(merged))
    if any(place.startswith("settings") for place in before):
        _check_parts(resource, errors)
    if errors:
        said = " ".join(f"{field}: {' '.join(words)}" for field, words in errors.items())
        raise InventoryRefusal(
            f"{resource.name} could not work like that. {said} Mend it on the device's page, or accept what"
            " belongs together at once.",
            errors,
        )


def _check_parts(resource: Resource, errors: dict[str, list[str]]) -> None:
    for part, merged in settings_of_parts(resource.pk, resource.settings):
        adapter: AdapterDescription | None = CATALOGUE.get(part.adapter)
        if adapter is not None and part.in_service:
            _collect(errors, f"{part.name}: settings", adapter.check_settings(merged))


def _collect(errors: dict[str, list[str]], place: str, problems: Sequence[Problem]) -> None:
    for field, words in errors_of(problems).items():
        errors.setdefault(f"{place}.{field}" if field else place, []).extend(words)


def _note(
    discovery: Discovery,
    line: Line,
    verb: Verb,
    actor: User,
    now: datetime,
    *,
    resource: Resource | None = None,
    before: Mapping[str, Any] | None = None,
) -> Decision:
    said: dict[str, Any] = {
        "words": words_of(line),
        "kind": line.kind,
        "device": resource.name if resource is not None else line.device,
        "changes": [asdict(change) for change in line.changes],
    }
    if before:
        said["before"] = dict(before)
    if line.found is not None:
        said["found"] = {"name": line.found.name, "serial": line.found.serial, "model": line.found.model}
    return Decision.objects.create(
        site=discovery.site,
        discovery=discovery,
        resource=resource,
        fingerprint=line.fingerprint,
        verb=verb,
        line=_plain(said),
        by=actor,
        at=now,
    )


def _said(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that were seen."""
    return {name: _plain(value) for name, value in attributes.items() if value is not None}


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))
