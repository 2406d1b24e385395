"""The board: who has what, when."""

from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door, Moment
from reservations.models import CalendarEntry
from reservations.selectors.calendar import Section, board

LONGEST_SECTION = timedelta(days=366)


class RowShape(serializers.Serializer[Any]):
    """A resource on the board: by site, by kind of the whole, parts after their whole."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    site = serializers.CharField()
    site_name = serializers.CharField()
    site_time_zone = serializers.CharField()
    kind = serializers.CharField()
    root_kind = serializers.CharField(help_text="Of the whole that it is part of; rows come in its order.")
    model = serializers.CharField(allow_blank=True)
    parent = serializers.UUIDField(allow_null=True)  # type: ignore[assignment]
    depth = serializers.IntegerField()
    health = serializers.CharField()
    quarantined = serializers.BooleanField()
    in_service = serializers.BooleanField()
    why = serializers.CharField(allow_blank=True, help_text="Why it is kept back, or unhealthy.")


class EntryShape(serializers.Serializer[Any]):
    """A time in which a resource is occupied."""

    id = serializers.UUIDField(help_text="Of the lease, or of the maintenance window.")
    type = serializers.ChoiceField(choices=["lease", "maintenance"])
    row = serializers.UUIDField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    occupied_from = serializers.DateTimeField(help_text="With the preparation before.")
    occupied_to = serializers.DateTimeField(help_text="With the clean-up after.")
    state = serializers.CharField(help_text="The lease's status in lower case, or “maintenance”.")
    mine = serializers.BooleanField()
    can_change = serializers.BooleanField()
    reservation = serializers.UUIDField(allow_null=True, help_text="Where one may see it.")
    title = serializers.CharField(allow_blank=True, help_text="What for, where one may know.")
    who = serializers.CharField(allow_blank=True, help_text="Who, where one may know.")
    via = serializers.UUIDField(allow_null=True, help_text="The whole or part that takes this along.")


@extend_schema_serializer(many=False)
class CalendarShape(serializers.Serializer[Any]):
    """A section of the board."""

    # `from` is a word of the language.
    vars()["from"] = serializers.DateTimeField()
    to = serializers.DateTimeField()
    now = serializers.DateTimeField()
    total = serializers.IntegerField(help_text="How many rows match in all.")
    rows = RowShape(many=True)
    entries = EntryShape(many=True)


class CalendarQuery(serializers.Serializer[Any]):
    """Which section of the board."""

    vars()["from"] = Moment()
    to = Moment()
    site = serializers.CharField(required=False, allow_blank=True, max_length=50, default="")
    kind = serializers.CharField(required=False, allow_blank=True, max_length=40, default="")
    search = serializers.CharField(required=False, allow_blank=True, max_length=100, default="")
    offset = serializers.IntegerField(required=False, min_value=0, max_value=10**6, default=0)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=500, default=200)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse sections that are empty or longer than a year."""
        if attrs["to"] <= attrs["from"]:
            raise serializers.ValidationError({"to": ["The end must come after the start."]})
        if attrs["to"] - attrs["from"] > LONGEST_SECTION:
            raise serializers.ValidationError({"to": ["Ask for a year at most."]})
        return attrs


class CalendarDoor(Door[CalendarEntry]):
    """The board over all sites."""

    queryset = CalendarEntry.objects.all()
    serializer_class = CalendarShape
    pagination_class = None
    filter_backends = ()

    @extend_schema(operation_id="calendar", parameters=[CalendarQuery], responses=CalendarShape)
    def list(self, request: Request) -> Response:
        """Show resources as rows, parts under their wholes, and what occupies them between two moments.

        Everybody sees when a device is busy. By whom and for what is told to members of the same project,
        to operators of the site and to managers of the portal.
        """
        asked = self.read_query(CalendarQuery)
        section = Section(
            earliest=asked["from"],
            latest=asked["to"],
            site=asked["site"],
            kind=asked["kind"],
            search=asked["search"],
            offset=asked["offset"],
            limit=asked["limit"],
        )
        found = board(section, user=self.person)
        return Response({"from": section.earliest, "to": section.latest, "now": self.now} | found)
