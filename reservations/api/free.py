"""What is free, and when."""

from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door, Moment
from reservations.api.asked import AskedSlots, asks_of, ties_of
from reservations.api.shapes import SlotsShape
from reservations.policy import SEARCH_AHEAD
from reservations.selectors.availability import HeldBy, Wanted, free_resource_ids
from reservations.services.asks import check_asks
from reservations.services.choosing import pool_for
from reservations.services.windows import BookedWindow
from reservations.services.wiring import check_ties
from reservations.words import zone_of
from resources.api.resources import ResourceShape
from resources.described import described
from resources.models import Resource

SLOTS_SHOWN = 5
FARTHEST_SEARCH = timedelta(days=92)


class FreeQuery(serializers.Serializer[Any]):
    """Which resources, free from when to when."""

    kind = serializers.CharField(max_length=40, help_text="Such as gpu, p4_switch or smart_nic.")
    model = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")
    site = serializers.CharField(required=False, allow_blank=True, max_length=50, default="")
    vars()["from"] = Moment(required=False, help_text="Left out: now.")
    to = Moment()
    limit = serializers.IntegerField(required=False, min_value=1, max_value=500, default=100)


class FreeDoor(Door[Resource]):
    """Resources that are free for a whole window."""

    queryset = Resource.objects.all()
    serializer_class = ResourceShape
    pagination_class = None
    filter_backends = ()

    @extend_schema(operation_id="free", parameters=[FreeQuery], responses=ResourceShape(many=True))
    def list(self, request: Request) -> HttpResponse:
        """List the resources of a kind that are free for a whole window, with time to prepare and to clean."""
        asked = self.read_query(FreeQuery)
        starts_at = asked.get("from", self.now)
        if asked["to"] <= starts_at:
            raise serializers.ValidationError({"to": ["The end must come after the start."]})
        wanted = Wanted(kind=asked["kind"], model=asked["model"], site=asked["site"])
        free = free_resource_ids(
            wanted,
            starts_at=starts_at,
            ends_at=asked["to"],
            limit=asked["limit"],
            held=HeldBy(now=self.now, by_others_than=self.person),
        )
        return HttpResponse(described(free), content_type="application/json")


class FindSlotDoor(Door[Resource]):
    """The first windows in which everything is free together."""

    queryset = Resource.objects.all()
    serializer_class = SlotsShape
    pagination_class = None
    filter_backends = ()

    @extend_schema(operation_id="find_slot", request=AskedSlots, responses={200: SlotsShape})
    def create(self, request: Request) -> Response:
        """Find the first windows of a length in which everything that is asked for is free together."""
        asked = self.read(AskedSlots)
        asks = asks_of(asked["resources"])
        check_asks(asks)
        ties = ties_of(asked)
        check_ties(ties, lines=len(asks))
        duration = timedelta(seconds=asked["duration_s"])
        earliest = max(asked.get("earliest") or self.now, self.now)
        latest = asked.get("latest") or earliest + max(SEARCH_AHEAD, 2 * duration)
        if latest < earliest + duration:
            raise serializers.ValidationError(
                {"latest": ["The search ends before the first window could be over; search longer."]}
            )
        if latest > earliest + max(FARTHEST_SEARCH, 2 * duration):
            raise serializers.ValidationError(
                {"latest": [f"Search {FARTHEST_SEARCH.days} days at most; begin the next search there."]}
            )
        pool = pool_for(
            asks, earliest=earliest - timedelta(days=1), latest=latest + timedelta(days=1), ties=ties
        )
        slots = pool.first_windows(
            duration=duration, earliest=earliest, latest=latest, limit=asked.get("limit", SLOTS_SHOWN)
        )
        first = BookedWindow(earliest, earliest + duration)
        refusals = [] if slots else pool.refusals(first, zone=zone_of(self.person))
        return Response(
            {
                "slots": [
                    {"starts_at": slot.starts_at, "ends_at": slot.ends_at, "resources": list(slot.resources)}
                    for slot in slots
                ],
                "never": any(refusal.never for refusal in refusals),
                "refusals": [
                    {
                        "wish": refusal.wish,
                        "resource": refusal.resource,
                        "resource_name": refusal.resource_name,
                        "reason": refusal.reason,
                        "never": refusal.never,
                        "until": refusal.until,
                        "message": refusal.message,
                    }
                    for refusal in refusals
                ],
            }
        )
