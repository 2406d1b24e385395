"""When: windows in which everything that is wished for is free together."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from accounts.models import User
from reservations.api.asked import AskedSlots, asks_of, ties_of
from reservations.api.shapes import SlotsShape
from reservations.errors import Window, WishRefusal
from reservations.policy import SEARCH_AHEAD
from reservations.services import finding
from reservations.services.asks import check_asks
from reservations.services.finding import Device, Found, SlotWish
from reservations.services.hints import hints_for
from reservations.services.relaxing import Relaxation, relaxations
from reservations.services.wiring import check_ties
from resources.models import Resource

SLOTS_SHOWN = 5
FARTHEST_SEARCH = timedelta(days=92)


class FindSlotDoor(Door[Resource]):
    """The first windows in which everything is free together."""

    queryset = Resource.objects.all()
    serializer_class = SlotsShape
    pagination_class = None
    filter_backends = ()

    @extend_schema(operation_id="find_slot", request=AskedSlots, responses={200: SlotsShape})
    def create(self, request: Request) -> Response:
        """Find the first windows of a length in which everything that is asked for is free together.

        With `sort`, each way to meet the wish that differs by site or model gives its first window, and they are
        ranked. Where there is none, it says why, and what could be given up: each suggestion was searched for.
        """
        asked = self.read(AskedSlots)
        wish = wish_of(asked, person=self.person, now=self.now)
        pool = finding.pool_of(wish, now=self.now)
        limit = asked.get("limit", SLOTS_SHOWN)
        if "sort" in asked:
            found = finding.find(pool, wish, order=asked["sort"], limit=limit, now=self.now)
        else:
            found = finding.find_first(pool, wish, limit=limit, now=self.now)
        refusals = [] if found else finding.refusals_of(pool, wish)
        never = any(refusal.never for refusal in refusals)
        return Response(
            {
                "slots": [slot_shown(slot) for slot in found],
                "never": never,
                "refusals": [refusal_shown(refusal) for refusal in refusals],
                "hints": hints_for(wish.asks) if never else [],
                "relaxations": []
                if found
                else [relaxation_shown(each) for each in relaxations(wish, now=self.now)],
            }
        )


def wish_of(asked: dict[str, Any], *, person: User, now: Any) -> SlotWish:
    """Return what is wished for; raises for what makes no sense."""
    asks = asks_of(asked["resources"])
    check_asks(asks)
    ties = ties_of(asked)
    check_ties(ties, lines=len(asks))
    duration = timedelta(seconds=asked["duration_s"])
    earliest = max(asked.get("earliest") or now, now)
    latest = asked.get("latest") or earliest + max(SEARCH_AHEAD, 2 * duration)
    if latest < earliest + duration:
        raise serializers.ValidationError(
            {"latest": ["The search ends before the first window could be over; search longer."]}
        )
    if latest > earliest + max(FARTHEST_SEARCH, 2 * duration):
        raise serializers.ValidationError(
            {"latest": [f"Search {FARTHEST_SEARCH.days} days at most; begin the next search there."]}
        )
    return SlotWish(
        person=person,
        asks=asks,
        ties=ties,
        duration=duration,
        earliest=earliest,
        latest=latest,
        sites=frozenset(asked.get("sites", ())),
        barred_sites=frozenset(asked.get("barred_sites", ())),
    )


def wish_shown(wish: SlotWish) -> dict[str, Any]:
    """Return a wish as a search takes it."""
    shown: dict[str, Any] = {
        "resources": [ask.as_line() for ask in wish.asks],
        "duration_s": int(wish.duration.total_seconds()),
        "earliest": wish.earliest,
        "latest": wish.latest,
        "sites": sorted(wish.sites),
        "barred_sites": sorted(wish.barred_sites),
    }
    if wish.ties:
        shown["links"] = sorted(list(tie) for tie in wish.ties)
    return shown


def slot_shown(slot: Found) -> dict[str, Any]:
    """Return a window that was found."""
    length = slot.ends_at - slot.starts_at
    return {
        "starts_at": slot.starts_at,
        "ends_at": slot.ends_at,
        "resources": [device.resource.pk for device in slot.devices],
        "devices": [_device_shown(device, length) for device in slot.devices],
        "credits": _number(slot.credits),
        "speed": _number(slot.speed),
    }


def _device_shown(device: Device, length: timedelta) -> dict[str, Any]:
    resource, tariff = device.resource, device.tariff
    return {
        "line": device.line,
        "resource": resource.pk,
        "resource_name": resource.name,
        "kind": resource.kind,
        "model": resource.model,
        "site": resource.site.slug,
        "site_name": resource.site.name,
        "site_time_zone": resource.site.time_zone,
        "credits_per_hour": _number(tariff.credits_per_hour),
        "credits": _number(tariff.credits(length)),
        "speed": _number(tariff.speed),
        "credits_for_work": _number(tariff.credits_for_work),
    }


def relaxation_shown(relaxation: Relaxation) -> dict[str, Any]:
    """Return a suggestion with the wish that it leads to."""
    return {
        "change": relaxation.change,
        "words": relaxation.words,
        "wish": wish_shown(relaxation.wish),
        "slot": window_shown(relaxation.window),
    }


def window_shown(window: Window) -> dict[str, Any]:
    """Return a window without its price."""
    return {
        "starts_at": window.starts_at,
        "ends_at": window.ends_at,
        "resources": list(window.resources),
    }


def refusal_shown(refusal: WishRefusal) -> dict[str, Any]:
    """Return why a line cannot be met."""
    return {
        "wish": refusal.wish,
        "resource": refusal.resource,
        "resource_name": refusal.resource_name,
        "reason": refusal.reason,
        "never": refusal.never,
        "until": refusal.until,
        "message": refusal.message,
    }


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
