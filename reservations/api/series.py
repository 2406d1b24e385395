"""Series: bookings that recur, each occurrence shown before it is booked."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door, Moment
from reservations.api.asked import AskedReservation, AskedResources, asks_of, ties_of
from reservations.api.planned import planned_shown
from reservations.api.presenting import reservation_brief
from reservations.api.refusals import FreeWindow, WishRefusalShape
from reservations.api.shapes import ReservationBrief
from reservations.models import Series, SeriesException
from reservations.selectors.series import (
    may_change_series,
    occurrences_of,
    still_ahead,
    visible_series,
)
from reservations.selectors.viewer import Viewer
from reservations.services import series as verbs
from reservations.services.occurrences import BLOCKED, Otherwise, Outlook, Planned, Wanted, note_of
from reservations.services.patterns import (
    MOST_INTERVAL,
    MOST_NIGHTS,
    MOST_OCCURRENCES,
    checked_pattern,
    pattern_of,
)
from reservations.services.series import SeriesRequest


class AskedException(serializers.Serializer[Any]):
    """What is different on one day of the rule."""

    on = serializers.DateField(help_text="The day that the rule names.")
    skip = serializers.BooleanField(required=False, help_text="Leave it out.")
    starts_at = Moment(required=False, allow_null=True, help_text="Or another time.")
    ends_at = Moment(required=False, allow_null=True)
    devices = serializers.DictField(
        required=False,
        child=serializers.UUIDField(),
        help_text='Or other devices, by the place of their line from 0: {"0": "…"}.',
    )

    def validate_devices(self, value: dict[str, UUID]) -> dict[str, UUID]:
        """Refuse what is not the place of a line."""
        if any(not place.isdecimal() or len(place) > 3 for place in value):
            raise serializers.ValidationError("Name the line of a device by its place, counted from 0.")
        return value


class AskedRule(serializers.Serializer[Any]):
    """When it recurs, by the clocks of a zone."""

    every = serializers.ChoiceField(choices=Series.Every.values)
    interval = serializers.IntegerField(
        required=False, min_value=1, max_value=MOST_INTERVAL, help_text="2: each second day or week."
    )
    weekdays = serializers.ListField(
        required=False,
        child=serializers.IntegerField(min_value=0, max_value=6),
        max_length=7,
        help_text="Of a weekly rule: 0 is Monday. Left out: the weekday of the first day.",
    )
    first_on = serializers.DateField()
    until = serializers.DateField(required=False, allow_null=True, help_text="Up to and with this day.")
    times = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MOST_OCCURRENCES, help_text="Or so many times."
    )
    start = serializers.TimeField(help_text="Wall time in the zone: 14:00.")
    end = serializers.TimeField(help_text="Wall time in the zone.")
    nights = serializers.IntegerField(
        required=False, min_value=0, max_value=MOST_NIGHTS, help_text="How many days later it ends; 0."
    )
    zone = serializers.CharField(max_length=60, help_text="Such as Europe/Rome.")


class AskedSeries(AskedResources):
    """A series: what is booked each time, and when."""

    project = serializers.CharField(max_length=50, help_text="The slug of one of your projects.")
    purpose = AskedReservation().fields["purpose"]
    rule = AskedRule()
    same_devices = serializers.BooleanField(
        required=False, help_text="Where any device of a kind would do: rather the same ones each time; true."
    )
    exceptions = AskedException(many=True, required=False, max_length=MOST_OCCURRENCES)  # type: ignore[call-arg]
    skip_clashes = serializers.BooleanField(
        required=False, help_text="Leave out what cannot be had; else nothing is booked then."
    )


class AskedRest(serializers.Serializer[Any]):
    """From when on the rest is given up."""

    from_on = serializers.DateField(
        required=False, allow_null=True, help_text="Left out: all that has not started."
    )


class PlannedDevice(serializers.Serializer[Any]):
    """A device of an occurrence."""

    line = serializers.IntegerField()
    resource = serializers.UUIDField()
    resource_name = serializers.CharField()


class PlannedShape(serializers.Serializer[Any]):
    """An occurrence, and how things stand for it."""

    on = serializers.DateField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    outlook = serializers.ChoiceField(choices=[each.value for each in Outlook])
    moved = serializers.BooleanField()
    note = serializers.CharField(allow_blank=True, help_text="What the change of the clocks does to it.")
    devices = PlannedDevice(many=True)
    usual = serializers.BooleanField(help_text="Whether it has the devices that the series has mostly.")
    refusals = WishRefusalShape(many=True)
    alternatives = FreeWindow(many=True)
    others = PlannedDevice(many=True, help_text="Devices like the one in the way that are free then.")


class PlanShape(serializers.Serializer[Any]):
    """All occurrences of a series, before they are booked."""

    occurrences = PlannedShape(many=True)
    free = serializers.IntegerField()
    blocked = serializers.IntegerField()
    last_on = serializers.DateField()


class RuleShape(serializers.Serializer[Any]):
    """When a series recurs."""

    every = serializers.ChoiceField(choices=Series.Every.values)
    interval = serializers.IntegerField()
    weekdays = serializers.ListField(child=serializers.IntegerField())
    first_on = serializers.DateField()
    until = serializers.DateField()
    start = serializers.CharField()
    end = serializers.CharField()
    nights = serializers.IntegerField()
    zone = serializers.CharField()


class ExceptionShape(serializers.ModelSerializer[SeriesException]):
    """A day on which a series does otherwise than its rule says."""

    class Meta:
        model = SeriesException
        fields = ["on", "kind", "starts_at", "ends_at", "devices", "reason"]
        read_only_fields = fields


class SeriesCan(serializers.Serializer[Any]):
    """What the caller may do with the series now."""

    change = serializers.BooleanField()
    cancel_rest = serializers.BooleanField()


class SeriesBrief(serializers.Serializer[Any]):
    """A series in a list."""

    id = serializers.UUIDField()
    project = serializers.CharField(help_text="Its slug.")
    project_name = serializers.CharField()
    holder = serializers.CharField()
    purpose = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    cancelled_at = serializers.DateTimeField(allow_null=True)
    rule = RuleShape()


class OccurrenceShape(ReservationBrief):
    """A reservation of a series."""

    occurrence_on = serializers.DateField(allow_null=True)
    note = serializers.CharField(allow_blank=True)


class SeriesShape(SeriesBrief):
    """A series with its occurrences."""

    resources = serializers.ListField(child=serializers.DictField(), help_text="What is asked for each time.")
    links = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))
    same_devices = serializers.BooleanField()
    exceptions = ExceptionShape(many=True)
    occurrences = OccurrenceShape(many=True)
    can = SeriesCan()


class SeriesDoor(Door[Series]):
    """Bookings that recur: courses, weekly measurements. Each occurrence is a reservation of its own."""

    # Each verb of a series is one service, and each of those is atomic.
    is_all_or_nothing = True

    queryset = Series.objects.all()
    serializer_class = SeriesShape
    ordering = ("-created_at", "id")
    lookup_value_converter = "uuid"

    def visible(self) -> QuerySet[Series]:
        """Return the series of one's projects."""
        return visible_series(self.person).select_related("project", "holder")

    @extend_schema(responses=SeriesBrief(many=True))
    def list(self, request: Request) -> Response:
        """List the series of your projects, the latest first."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response([_brief(each) for each in page])

    @extend_schema(responses=SeriesShape, filters=False)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show a series with its occurrences and its exceptions."""
        return self._answer(pk)

    @extend_schema(request=AskedSeries, responses={201: SeriesShape})
    def create(self, request: Request) -> Response:
        """Book all occurrences, or nothing.

        A refusal (409, `series_clash`) says how things stand for each occurrence; with `skip_clashes` those that
        cannot be had are left out and noted as exceptions.
        """
        booked = verbs.book_series(self._asked(), now=self.now)
        return self._answer(booked.series.pk, status=status.HTTP_201_CREATED)

    @extend_schema(request=AskedSeries, responses=PlanShape)
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Say how things stand for each occurrence: free, taken by whom until when, or against a limit."""
        asked = self._asked()
        return Response(_plan(verbs.preview_series(asked, now=self.now), asked))

    @extend_schema(request=AskedSeries, responses=PlanShape)
    @action(detail=True, methods=["post"], url_path="preview-change")
    def preview_change(self, request: Request, pk: UUID) -> Response:
        """Say how things would stand for each occurrence after a change of the rest."""
        asked = self._asked()
        return Response(_plan(verbs.preview_change(series_id=pk, request=asked, now=self.now), asked))

    @extend_schema(request=AskedSeries, responses=SeriesShape)
    @action(detail=True, methods=["post"])
    def change(self, request: Request, pk: UUID) -> Response:
        """Let the rest follow another rule, or go on longer; what has started, and what stays the same, stays."""
        verbs.change_series(series_id=pk, request=self._asked(), now=self.now)
        return self._answer(pk)

    @extend_schema(request=AskedRest, responses=SeriesShape)
    @action(detail=True, methods=["post"], url_path="cancel-rest")
    def cancel_rest(self, request: Request, pk: UUID) -> Response:
        """Give up all occurrences that have not started, or those from a day on."""
        asked = self.read(AskedRest)
        verbs.cancel_rest(series_id=pk, actor=self.person, now=self.now, from_on=asked.get("from_on"))
        return self._answer(pk)

    def _asked(self) -> SeriesRequest:
        asked = self.read(AskedSeries)
        rule = asked["rule"]
        pattern = checked_pattern(
            every=rule["every"],
            interval=rule.get("interval", 1),
            weekdays=rule.get("weekdays", ()),
            first_on=rule["first_on"],
            last_on=rule.get("until"),
            times=rule.get("times"),
            start=rule["start"],
            end=rule["end"],
            nights=rule.get("nights", 0),
            zone=rule["zone"],
        )
        otherwise = {
            each["on"]: Otherwise(
                on=each["on"],
                skip=each.get("skip", False),
                starts_at=each.get("starts_at"),
                ends_at=each.get("ends_at"),
                devices={int(place): key for place, key in each.get("devices", {}).items()},
            )
            for each in asked.get("exceptions", ())
        }
        return SeriesRequest(
            user=self.person,
            project=asked["project"],
            purpose=asked.get("purpose", ""),
            skip_clashes=asked.get("skip_clashes", False),
            wanted=Wanted(
                pattern=pattern,
                asks=asks_of(asked["resources"]),
                ties=ties_of(asked),
                same_devices=asked.get("same_devices", True),
                otherwise=otherwise,
            ),
        )

    def _answer(self, pk: UUID, *, status: int = status.HTTP_200_OK) -> Response:
        series = self.get_queryset().prefetch_related("exceptions").filter(pk=pk).first()
        if series is None:
            raise NotFound("There is no such series, or it is not yours to see.")
        viewer = Viewer(self.person)
        occurrences = list(occurrences_of(pk))
        changeable = may_change_series(self.person, series)
        notes = {each.on: note_of(each, pattern_of(series)) for each in pattern_of(series).occurrences()}
        shown = _brief(series) | {
            "resources": series.lines,
            "links": series.links,
            "same_devices": series.same_devices,
            "exceptions": ExceptionShape(series.exceptions.all(), many=True).data,
            "occurrences": [
                reservation_brief(each, viewer, now=self.now)
                | {
                    "occurrence_on": each.occurrence_on,
                    "note": notes.get(each.occurrence_on, "") if each.occurrence_on else "",
                }
                for each in occurrences
            ],
            "can": {
                "change": changeable,
                "cancel_rest": changeable and bool(still_ahead(occurrences, now=self.now)),
            },
        }
        headers = {"Location": f"/api/v1/series/{pk}/"} if status == 201 else None
        return Response(shown, status=status, headers=headers)


def _brief(series: Series) -> dict[str, Any]:
    return {
        "id": series.pk,
        "project": series.project.slug,
        "project_name": series.project.name,
        "holder": series.holder.username,
        "purpose": series.purpose,
        "created_at": series.created_at,
        "cancelled_at": series.cancelled_at,
        "rule": {
            "every": series.every,
            "interval": series.interval,
            "weekdays": series.weekdays,
            "first_on": series.first_on,
            "until": series.last_on,
            "start": f"{series.start:%H:%M}",
            "end": f"{series.end:%H:%M}",
            "nights": series.nights,
            "zone": series.zone,
        },
    }


def _plan(planned: Sequence[Planned], asked: SeriesRequest) -> dict[str, Any]:
    return {
        "occurrences": [planned_shown(each) for each in planned],
        "free": sum(each.outlook == Outlook.FREE for each in planned),
        "blocked": sum(each.outlook in BLOCKED for each in planned),
        "last_on": asked.wanted.pattern.last_on,
    }
