"""Reservations: book, read, change."""

from uuid import UUID

import django_filters
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from reservations.api.asked import AskedEnd, AskedReservation, AskedWindow, asks_of, ties_of
from reservations.api.presenting import reservation_brief, reservation_whole
from reservations.api.shapes import ReservationBrief, ReservationShape, WouldBook
from reservations.models import Reservation
from reservations.phase import Phase
from reservations.selectors.extension import extension_of
from reservations.selectors.links import links_of
from reservations.selectors.reservations import (
    reservations_in_phase,
    reservations_of,
    with_history,
    with_leases,
)
from reservations.selectors.viewer import Viewer
from reservations.selectors.visibility import visible_reservations
from reservations.selectors.warnings import warnings_of_choices, warnings_of_leases
from reservations.services import booking, changes


class ReservationFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Which reservations."""

    mine = extend_schema_field(OpenApiTypes.BOOL)(
        django_filters.TypedChoiceFilter(
            method="of_mine",
            choices=[(word, word) for word in ("1", "true", "0", "false")],
            coerce=lambda word: word in ("1", "true"),
            help_text="Only what you hold and what belongs to your projects.",
        )
    )
    phase = django_filters.ChoiceFilter(
        method="in_phase", choices=[(phase.value, phase.value) for phase in Phase]
    )
    project = django_filters.CharFilter(field_name="project__slug")
    starts_before = django_filters.IsoDateTimeFilter(field_name="starts_at", lookup_expr="lt")
    ends_after = django_filters.IsoDateTimeFilter(field_name="ends_at", lookup_expr="gt")

    class Meta:
        model = Reservation
        fields: list[str] = []

    def of_mine(self, found: QuerySet[Reservation], _: str, wanted: bool) -> QuerySet[Reservation]:
        """Keep the person's own and their projects'."""
        return found.filter(pk__in=reservations_of(self.request.user).values("pk")) if wanted else found

    def in_phase(self, found: QuerySet[Reservation], _: str, phase: str) -> QuerySet[Reservation]:
        """Keep those in the phase."""
        return reservations_in_phase(found, Phase(phase))


class ReservationDoor(Door[Reservation]):
    """Reservations: one project, one window, any mix of resources over any sites, all or nothing."""

    # Every verb of a reservation is one service, and each of those is atomic.
    is_all_or_nothing = True

    queryset = Reservation.objects.all()
    serializer_class = ReservationShape
    filterset_class = ReservationFilter
    ordering = ("-starts_at", "id")
    lookup_value_converter = "uuid"

    def visible(self) -> QuerySet[Reservation]:
        """Return the reservations of one's projects, and those on the sites that one operates."""
        return visible_reservations(self.person)

    @extend_schema(responses=ReservationBrief(many=True))
    def list(self, request: Request) -> Response:
        """List what you may see: your projects' reservations, and those on sites that you operate."""
        viewer = Viewer(self.person)
        page = self.paginate_queryset(with_leases(self.filter_queryset(self.get_queryset()))) or []
        return self.get_paginated_response([reservation_brief(each, viewer, now=self.now) for each in page])

    @extend_schema(responses=ReservationShape, filters=False)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show a reservation with its leases; with the way in for the project's members, once ready."""
        return self._answer(pk)

    @extend_schema(request=AskedReservation, responses={201: ReservationShape})
    def create(self, request: Request) -> Response:
        """Book everything that is asked for, or nothing.

        A refusal (409, `cannot_book`) says why for each resource and until when, and which windows
        of the same length, nearest first, would do for all of it. Send an `Idempotency-Key` so that a
        request that is sent twice books once.
        """
        reservation = booking.book(self._asked(), now=self.now)
        warnings = warnings_of_leases(reservation.leases.all())
        # A booking of one device has no links; it is not worth a statement to find that out.
        wired = links_of([reservation.pk])[reservation.pk] if len(reservation.leases.all()) > 1 else ()
        shown = reservation_whole(
            reservation, Viewer(self.person), now=self.now, warnings=warnings, links=wired
        )
        return Response(
            shown,
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/reservations/{reservation.pk}/"},
        )

    @extend_schema(request=AskedReservation, responses=WouldBook)
    @action(detail=False, methods=["post"])
    def check(self, request: Request) -> Response:
        """Say what a booking would take now, or why it would be refused. Books nothing."""
        asked = self._asked()
        chosen = booking.check_booking(asked, now=self.now)
        wishes = [ask.parameters for ask in asked.asks for _ in range(ask.count)]
        return Response(
            {
                "would_book": True,
                "resources": chosen,
                "starts_at": max(asked.starts_at or self.now, self.now),
                "ends_at": asked.ends_at,
                "warnings": [
                    {"resource": resource.pk, "resource_name": resource.name, "message": message}
                    for resource, message in warnings_of_choices(list(zip(chosen, wishes, strict=True)))
                ],
            }
        )

    @extend_schema(request=AskedEnd, responses=ReservationShape)
    @action(detail=True, methods=["post"])
    def extend(self, request: Request, pk: UUID) -> Response:
        """Push the end back, checked like a new booking; all its leases, or none."""
        ends_at = self.read(AskedEnd)["ends_at"]
        changes.extend(reservation_id=pk, ends_at=ends_at, actor=self.person, now=self.now)
        return self._answer(pk)

    @extend_schema(request=AskedEnd, responses=ReservationShape)
    @action(detail=True, methods=["post"])
    def shorten(self, request: Request, pk: UUID) -> Response:
        """Bring the end forward; what is given back can be booked by others at once."""
        ends_at = self.read(AskedEnd)["ends_at"]
        changes.shorten(reservation_id=pk, ends_at=ends_at, actor=self.person, now=self.now)
        return self._answer(pk)

    @extend_schema(request=AskedWindow, responses=ReservationShape)
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: UUID) -> Response:
        """Move it to another window while nothing of it has started, checked like a new booking."""
        asked = self.read(AskedWindow)
        changes.move_window(
            reservation_id=pk,
            starts_at=asked["starts_at"],
            ends_at=asked["ends_at"],
            actor=self.person,
            now=self.now,
        )
        return self._answer(pk)

    @extend_schema(request=None, responses=ReservationShape)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: UUID) -> Response:
        """Bring the end to now: access closes, the devices are cleaned and given back."""
        changes.end_now(reservation_id=pk, actor=self.person, now=self.now)
        return self._answer(pk)

    @extend_schema(request=None, responses=ReservationShape)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: UUID) -> Response:
        """Give it up, whatever state it is in. Always legal; a second time changes nothing."""
        changes.cancel(reservation_id=pk, actor=self.person, now=self.now)
        return self._answer(pk)

    def _asked(self) -> booking.Request:
        asked = self.read(AskedReservation)
        return booking.Request(
            user=self.person,
            project=asked["project"],
            purpose=asked.get("purpose", ""),
            starts_at=asked.get("starts_at"),
            ends_at=asked["ends_at"],
            asks=asks_of(asked["resources"]),
            ties=ties_of(asked),
        )

    def _answer(self, pk: UUID) -> Response:
        reservation = with_history(self.get_queryset()).filter(pk=pk).first()
        if reservation is None:
            raise NotFound("There is no such reservation, or it is not yours to see.")
        viewer = Viewer(self.person)
        extension = extension_of(reservation, now=self.now) if viewer.may_change(reservation) else None
        warnings = warnings_of_leases(reservation.leases.all())
        return Response(
            reservation_whole(
                reservation,
                viewer,
                now=self.now,
                warnings=warnings,
                extension=extension,
                links=links_of([reservation.pk])[reservation.pk],
            )
        )
