"""Hand-overs: a reservation goes to a colleague of the project."""

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from reservations.models import Handover
from reservations.selectors.visibility import may_change, visible_reservations
from reservations.services import handover as verbs


class AskedHandover(serializers.Serializer[Any]):
    """To whom a reservation is to go."""

    reservation = serializers.UUIDField()
    to = serializers.CharField(max_length=150, help_text="The username of another member of the project.")
    at_once = serializers.BooleanField(required=False, help_text="For leaders: without waiting for an answer.")


class OfReservation(serializers.Serializer[Any]):
    """Of which reservation."""

    reservation = serializers.UUIDField()


class HandoverShape(serializers.Serializer[Any]):
    """An offer, and what came of it."""

    id = serializers.IntegerField()
    reservation = serializers.UUIDField(source="reservation_id")
    purpose = serializers.CharField(source="reservation.purpose", allow_blank=True)
    starts_at = serializers.DateTimeField(source="reservation.starts_at")
    ends_at = serializers.DateTimeField(source="reservation.ends_at")
    giver = serializers.CharField(source="giver.username")
    giver_name = serializers.CharField(source="giver")
    receiver = serializers.CharField(source="receiver.username")
    receiver_name = serializers.CharField(source="receiver")
    asked_at = serializers.DateTimeField()
    outcome = serializers.ChoiceField(choices=Handover.Outcome.values)
    answered_at = serializers.DateTimeField(allow_null=True)


class Colleague(serializers.Serializer[Any]):
    """Somebody to whom a reservation can be given."""

    username = serializers.CharField()
    name = serializers.CharField()


class HandoverChoices(serializers.Serializer[Any]):
    """To whom a reservation can be given, and how."""

    colleagues = Colleague(many=True)
    may_give = serializers.BooleanField()
    may_assign = serializers.BooleanField(help_text="Without asking them.")
    waiting = HandoverShape(allow_null=True)


class HandoverDoor(Door[Handover]):
    """Reservations on their way to a colleague."""

    is_all_or_nothing = True

    queryset = Handover.objects.all()
    serializer_class = HandoverShape
    ordering = ("-id",)
    lookup_value_converter = "int"

    def visible(self) -> QuerySet[Handover]:
        """Return the offers that one made or got, or that are about a reservation that one sees."""
        return Handover.objects.select_related("reservation", "giver", "receiver").filter(
            Q(receiver=self.person)
            | Q(giver=self.person)
            | Q(reservation__in=visible_reservations(self.person).values("pk"))
        )

    @extend_schema(responses=HandoverShape(many=True))
    def list(self, request: Request) -> Response:
        """List what is offered to you and waits for your answer."""
        waiting = self.visible().filter(receiver=self.person, outcome=Handover.Outcome.WAITING)
        page = self.paginate_queryset(waiting) or []
        return self.get_paginated_response(HandoverShape(page, many=True).data)

    @extend_schema(request=AskedHandover, responses={201: HandoverShape})
    def create(self, request: Request) -> Response:
        """Offer a reservation to a member of its project; leaders may assign it at once."""
        asked = self.read(AskedHandover)
        made = verbs.offer(
            reservation_id=asked["reservation"],
            receiver=asked["to"],
            at_once=asked.get("at_once", False),
            actor=self.person,
            now=self.now,
        )
        return self._answer(made.pk, status=status.HTTP_201_CREATED)

    @extend_schema(
        parameters=[OpenApiParameter("reservation", str, required=True)],
        responses=HandoverChoices,
        filters=False,
    )
    @action(detail=False, methods=["get"], pagination_class=None)
    def choices(self, request: Request) -> Response:
        """Say to whom a reservation can be given, and which offer of it waits."""
        key = self.read_query(OfReservation)["reservation"]
        found = visible_reservations(self.person).select_related("project", "holder").filter(pk=key).first()
        if found is None:
            raise NotFound("There is no such reservation, or it is not yours to see.")
        may_give = may_change(self.person, found)
        waiting = self.visible().filter(reservation=found, outcome=Handover.Outcome.WAITING).first()
        people = verbs.colleagues_of(found).order_by("last_name", "username") if may_give else ()
        return Response(
            {
                "colleagues": [{"username": each.username, "name": str(each)} for each in people],
                "may_give": may_give,
                "may_assign": may_give and verbs.may_assign(self.person, found),
                "waiting": None if waiting is None else HandoverShape(waiting).data,
            }
        )

    @extend_schema(request=None, responses=HandoverShape)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: int) -> Response:
        """Take over what was offered to you: you hold it from now on."""
        verbs.accept(handover_id=pk, actor=self.person, now=self.now)
        return self._answer(pk)

    @extend_schema(request=None, responses=HandoverShape)
    @action(detail=True, methods=["post"])
    def decline(self, request: Request, pk: int) -> Response:
        """Leave it with who holds it."""
        verbs.decline(handover_id=pk, actor=self.person, now=self.now)
        return self._answer(pk)

    @extend_schema(request=None, responses=HandoverShape)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: int) -> Response:
        """Take an offer back before it was accepted."""
        verbs.withdraw(handover_id=pk, actor=self.person, now=self.now)
        return self._answer(pk)

    def _answer(self, pk: int, *, status: int = status.HTTP_200_OK) -> Response:
        return Response(HandoverShape(self.visible().get(pk=pk)).data, status=status)
