"""What is free for a whole window."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from accounts.api.door import Door, Moment
from reservations.selectors.availability import HeldBy, Wanted, free_resource_ids
from resources.api.resources import ResourceShape
from resources.described import described
from resources.models import Resource


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
