"""What operators have to decide about their inventory: the latest answers, compared with it as it is now."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast, Coalesce

from adapters.contract import FoundDevice
from adapters.contract.wire import from_json
from resources.differences import Line, differences
from resources.models import Decision, Discovery, Site
from resources.recognition import Known
from resources.selectors import known_trees

FRESH = timedelta(days=14)
"""An older answer says too little of today to act on."""

SiteIds = Collection[int] | QuerySet[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A line with the answer that it comes from, and what was decided about it."""

    line: Line
    discovery: Discovery
    ignored: Decision | None = None

    @property
    def is_open(self) -> bool:
        """Whether it waits for somebody to decide."""
        return self.ignored is None


def findings_of(site: Site, *, now: datetime) -> list[Finding]:
    """Return all that differs between the latest answers and the inventory, ignored lines as well."""
    discoveries = list(latest_answers([site.pk], now=now))
    return _findings(site, discoveries, _ignored([site.pk]).get(site.pk, {}))


def open_counts(site_ids: SiteIds, *, now: datetime) -> dict[int, int]:
    """Return how many lines wait at each site; a site without any is left out."""
    by_site: dict[int, list[Discovery]] = {}
    for discovery in latest_answers(site_ids, now=now).select_related("site"):
        by_site.setdefault(discovery.site_id, []).append(discovery)
    if not by_site:
        return {}
    ignored = _ignored(by_site)
    counts: Counter[int] = Counter()
    for site_id, discoveries in by_site.items():
        found = _findings(discoveries[0].site, discoveries, ignored.get(site_id, {}))
        counts[site_id] = sum(finding.is_open and not finding.line.under for finding in found)
    return {site_id: count for site_id, count in counts.items() if count}


def latest_questions(site_ids: Collection[int]) -> "QuerySet[Discovery]":
    """Return the last question about each device and about each typed settings, open or over."""
    return _by_subject(Discovery.objects.filter(site__in=site_ids))


def latest_answers(site_ids: SiteIds, *, now: datetime) -> "QuerySet[Discovery]":
    """Return the last good answer about each device and about each typed settings."""
    return _by_subject(
        Discovery.objects.filter(
            site__in=site_ids, answered_at__isnull=False, error="", found_at__gt=now - FRESH
        )
    )


def _by_subject(discoveries: "QuerySet[Discovery]") -> "QuerySet[Discovery]":
    subject = Coalesce(Cast("resource_id", TextField()), Cast("settings", TextField()))
    # Who asks by itself asks about devices: such a question without one is of a device that was removed.
    asked = discoveries.exclude(resource__isnull=True, asked_by__isnull=True)
    return (
        asked.annotate(subject=subject)
        .order_by("site_id", "subject", "-asked_at")
        .distinct("site_id", "subject")
    )


def _findings(site: Site, discoveries: Collection[Discovery], ignored: Mapping[str, Decision]) -> list[Finding]:
    if not discoveries:
        return []
    trees = known_trees(site)
    found: dict[str, Finding] = {}
    for discovery in discoveries:
        for line in lines_of(discovery, trees):
            key = line.fingerprint
            found.setdefault(key, Finding(line=line, discovery=discovery, ignored=ignored.get(key)))
    return sorted(found.values(), key=lambda finding: finding.line.group)


def lines_of(discovery: Discovery, trees: Collection[Known]) -> tuple[Line, ...]:
    """Return what differs between one answer and the inventory."""
    asked = str(discovery.resource_id or "")
    found = devices_of(discovery)
    # A cluster answers for all its nodes whichever of them was asked about; the one that was comes first.
    mine = sorted(
        (tree for tree in trees if tree.id == asked or tree.adapter == discovery.adapter),
        key=lambda tree: tree.id != asked,
    )
    known = [tree for tree in mine if not asked or tree.id == asked or len(found) > 1]
    others = [tree for tree in trees if tree not in known]
    return differences(found, known, asked=asked, others=others)


def devices_of(discovery: Discovery) -> tuple[FoundDevice, ...]:
    """Return what was found, as the site said it."""
    return tuple(from_json(FoundDevice, json.dumps(device)) for device in discovery.devices)


def _ignored(site_ids: Collection[int]) -> dict[int, dict[str, Decision]]:
    """Return the lines that are ignored: those about which the last word was to ignore them."""
    last = (
        Decision.objects.filter(site__in=site_ids)
        .exclude(verb=Decision.Verb.ACCEPTED)
        .order_by("site_id", "fingerprint", "-id")
        .distinct("site_id", "fingerprint")
    )
    ignored: dict[int, dict[str, Decision]] = {}
    for decision in last.select_related("by"):
        if decision.verb == Decision.Verb.IGNORED:
            ignored.setdefault(decision.site_id, {})[decision.fingerprint] = decision
    return ignored


def say_failure(discovery: Discovery, *, now: datetime) -> str:
    """Return what to do about a question that found nothing out."""
    reason = discovery.failure.rstrip(".")
    name = discovery.resource.name if discovery.resource else "the settings that were typed"
    match discovery.error:
        case "Silent":
            return _say_silence(discovery.site, now)
        case "InvalidSettings" if "secret" in reason.lower():
            return f"{reason}. Enter the secret in the worker's site.toml under that name, then ask again."
        case "InvalidSettings":
            return f"{reason}. Mend the settings of {name}, then ask again."
        case "DeviceUnreachable":
            return f"{reason}. Look at the address, the cable and the firewall from the worker's machine."
        case "DeviceRefused":
            return f"It said no: {reason}. Look whether the account that the worker uses may do this."
        case "DeviceBusy":
            return f"It is busy: {reason}. Ask again when the lease on it is over."
        case _:
            return f"{reason}. It is not known what came of it; ask again, nothing was changed."


def _say_silence(site: Site, now: datetime) -> str:
    if not site.is_reachable(now):
        return (
            f"{site} is silent. Look whether its worker runs and reaches the broker, and whether the key on the"
            " site's page is its own; then ask again."
        )
    return f"{site} is heard, but this answer did not come. Look into its worker's log for “discover”; then ask again."
