"""The board: who has what, when."""

import gzip
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request

from accounts.api.door import Door, Moment
from reservations.models import CalendarEntry
from reservations.selectors.calendar import GROUPINGS, Section, board, free_over_time

LONGEST_SECTION = timedelta(days=366)
MOST_STEPS = 400
WORTH_PACKING = 4096


class GroupShape(serializers.Serializer[Any]):
    """Rows that stand together on the board, in its order."""

    first = serializers.IntegerField(help_text="The place of its first row, from 0.")
    rows = serializers.IntegerField(help_text="How many rows it has, parts and all.")
    devices = serializers.IntegerField(help_text="How many of them are no part of another.")
    site = serializers.CharField()
    site_name = serializers.CharField()
    site_time_zone = serializers.CharField()
    kind = serializers.CharField(help_text="Of the whole.")
    model = serializers.CharField(allow_blank=True, help_text="Of the whole, where rows are grouped by it.")


class RowShape(serializers.Serializer[Any]):
    """A resource on the board, in the order of the groups, parts after their whole."""

    place = serializers.IntegerField(help_text="Among all rows, from 0.")
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

    id = serializers.UUIDField(help_text="Of the lease, of the maintenance window, or of the hold.")
    type = serializers.ChoiceField(choices=["lease", "maintenance", "hold"])
    row = serializers.UUIDField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    occupied_from = serializers.DateTimeField(help_text="With the preparation before.")
    occupied_to = serializers.DateTimeField(help_text="With the clean-up after.")
    state = serializers.CharField(help_text="The lease's status in lower case, “maintenance” or “held”.")
    mine = serializers.BooleanField()
    can_change = serializers.BooleanField()
    reservation = serializers.UUIDField(allow_null=True, help_text="Where one may see it.")
    title = serializers.CharField(allow_blank=True, help_text="What for, where one may know.")
    who = serializers.CharField(allow_blank=True, help_text="Who, where one may know.")
    expires_at = serializers.DateTimeField(
        allow_null=True, help_text="When a hold runs out if it is not booked."
    )
    project = serializers.CharField(allow_blank=True, help_text="Whose, where one may know.")
    via = serializers.UUIDField(allow_null=True, help_text="The whole or part that takes this along.")


@extend_schema_serializer(many=False)
class CalendarShape(serializers.Serializer[Any]):
    """A section of the board."""

    # `from` is a word of the language.
    vars()["from"] = serializers.DateTimeField()
    to = serializers.DateTimeField()
    now = serializers.DateTimeField()
    total = serializers.IntegerField(help_text="How many rows match in all.")
    groups = GroupShape(many=True)
    rows = RowShape(many=True)
    entries = EntryShape(many=True)


class FreeGroupShape(serializers.Serializer[Any]):
    """How many devices of a group are free, step by step."""

    site = serializers.CharField()
    kind = serializers.CharField()
    model = serializers.CharField(allow_blank=True)
    usable = serializers.IntegerField(help_text="How many can be had at all; parts are not counted.")
    free = serializers.ListField(
        child=serializers.IntegerField(), help_text="One number for each step of the section."
    )


@extend_schema_serializer(many=False)
class FreeOverTimeShape(serializers.Serializer[Any]):
    """How many devices are free over time."""

    groups = FreeGroupShape(many=True)


class SectionQuery(serializers.Serializer[Any]):
    """Which time of the board, and which devices."""

    vars()["from"] = Moment()
    to = Moment()
    group = serializers.ChoiceField(choices=list(GROUPINGS), required=False, default="site")
    site = serializers.CharField(required=False, allow_blank=True, max_length=50, default="")
    kind = serializers.CharField(required=False, allow_blank=True, max_length=40, default="")
    model = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")
    resource = serializers.UUIDField(
        required=False, allow_null=True, default=None, help_text="Only it, its parts, and what it is part of."
    )
    search = serializers.CharField(required=False, allow_blank=True, max_length=100, default="")
    free = serializers.BooleanField(required=False, default=False, help_text="Only what is free right now.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse sections that are empty or longer than a year."""
        if attrs["to"] <= attrs["from"]:
            raise serializers.ValidationError({"to": [_("The end must come after the start.")]})
        if attrs["to"] - attrs["from"] > LONGEST_SECTION:
            raise serializers.ValidationError({"to": [_("Ask for a year at most.")]})
        return attrs


class CalendarQuery(SectionQuery):
    """Which section of the board."""

    offset = serializers.IntegerField(required=False, min_value=0, max_value=10**6, default=0)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=500, default=200)


class FreeOverTimeQuery(SectionQuery):
    """Which time, and how finely."""

    step_s = serializers.IntegerField(min_value=300, max_value=31 * 86_400)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse more steps than anybody can see."""
        attrs = super().validate(attrs)
        if (attrs["to"] - attrs["from"]).total_seconds() / attrs["step_s"] > MOST_STEPS:
            raise serializers.ValidationError(
                {"step_s": [_("Ask for %(most)s steps at most; take longer ones.") % {"most": MOST_STEPS}]}
            )
        return attrs


class CalendarDoor(Door[CalendarEntry]):
    """The board over all sites."""

    queryset = CalendarEntry.objects.all()
    serializer_class = CalendarShape
    pagination_class = None
    filter_backends = ()

    @extend_schema(operation_id="calendar", parameters=[CalendarQuery], responses=CalendarShape)
    def list(self, request: Request) -> HttpResponse:
        """Show resources as rows, parts under their wholes, and what occupies them between two moments.

        Everybody sees when a device is busy. By whom and for what is told to members of the same project,
        to operators of the site, to auditors and to managers of the portal.
        """
        asked = self.read_query(CalendarQuery)
        section = self._section(asked, offset=asked["offset"], limit=asked["limit"])
        moments = {"from": section.earliest, "to": section.latest, "now": self.now}
        head = ",".join(f'"{name}":"{moment.isoformat()}"' for name, moment in moments.items())
        return _answer(request, f"{{{head},{board(section, user=self.person, now=self.now)}}}")

    @extend_schema(operation_id="calendar_free", parameters=[FreeOverTimeQuery], responses=FreeOverTimeShape)
    @action(detail=False, url_path="free")
    def free_over_time(self, request: Request) -> HttpResponse:
        """Count how many devices of each group of the board are free over time.

        A device that is occupied for a part of a step counts as occupied for the step.
        """
        asked = self.read_query(FreeOverTimeQuery)
        groups = free_over_time(self._section(asked), step=timedelta(seconds=asked["step_s"]))
        return _answer(request, f'{{"groups":{groups}}}')

    def _section(self, asked: dict[str, Any], **page: int) -> Section:
        return Section(
            earliest=asked["from"],
            latest=asked["to"],
            site=asked["site"],
            kind=asked["kind"],
            model=asked["model"],
            resource=asked["resource"],
            search=asked["search"],
            free_at=self.now if asked["free"] else None,
            group=asked["group"],
            **page,
        )


def _answer(request: Request, text: str) -> HttpResponse:
    """Return JSON that the database put together, packed: it is a tenth of its length then.

    Nothing in it repeats what the address says beside a secret, so that its length tells nobody anything.
    """
    body = text.encode()
    response = HttpResponse(content_type="application/json", headers={"Vary": "Accept-Encoding"})
    if len(body) >= WORTH_PACKING and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = gzip.compress(body, compresslevel=1)
        response.headers["Content-Encoding"] = "gzip"
    response.content = body
    return response
