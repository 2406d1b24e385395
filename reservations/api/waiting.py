"""The wait list, as far as it is yours."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from reservations.api.asked import AskedWish
from reservations.api.holds import HoldShape, hold_shown
from reservations.api.slots import wish_of
from reservations.errors import NotFound
from reservations.models import WaitingWish
from reservations.selectors.waiting import positions_of, wishes_of, words_of
from reservations.services import waiting


class AskedPlace(AskedWish):
    """What to wait for. A time of exactly `duration_s` means one fixed window."""

    project = serializers.CharField(max_length=50, help_text="The slug of one of your projects.")
    purpose = serializers.CharField(required=False, allow_blank=True, max_length=200)


class WaitingShape(serializers.Serializer[Any]):
    """What you wait for, and the offer that you have."""

    id = serializers.UUIDField()
    project = serializers.CharField()
    purpose = serializers.CharField(allow_blank=True)
    state = serializers.ChoiceField(choices=WaitingWish.State.values)
    resources = serializers.ListField(child=serializers.DictField())
    words = serializers.CharField(help_text="What is waited for, for people.")
    duration_s = serializers.IntegerField()
    earliest = serializers.DateTimeField()
    latest = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    gives_up_at = serializers.DateTimeField(help_text="It leaves the list then by itself.")
    position = serializers.IntegerField(
        allow_null=True, help_text="Among those who wait for devices of these kinds at this time; 1 is next."
    )
    offer = HoldShape(allow_null=True)
    reservation = serializers.UUIDField(allow_null=True)


class TakenShape(serializers.Serializer[Any]):
    """The reservation that an offer became."""

    reservation = serializers.UUIDField()


class WaitingDoor(Door[WaitingWish]):
    """The wait list: be told, and have it held for some minutes, when what was taken comes free."""

    is_all_or_nothing = True

    queryset = WaitingWish.objects.all()
    serializer_class = WaitingShape
    pagination_class = None
    filter_backends = ()
    lookup_value_converter = "uuid"

    def visible(self) -> QuerySet[WaitingWish]:
        """Return the person's own, those that wait and those of late."""
        return wishes_of(self.person)

    @extend_schema(responses=WaitingShape(many=True))
    def list(self, request: Request) -> Response:
        """List what you wait for."""
        wishes = list(self.get_queryset().filter(state__in=WaitingWish.OPEN))
        places = positions_of(wishes)
        return Response([wish_shown(wish, places.get(wish.pk), now=self.now) for wish in wishes])

    @extend_schema(responses=WaitingShape)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show what you wait for."""
        return Response(self._shown(pk))

    @extend_schema(request=AskedPlace, responses={201: WaitingShape})
    def create(self, request: Request) -> Response:
        """Wait for a wish: when all of it comes free, it is held for you for some minutes and you are told."""
        asked = self.read(AskedPlace)
        joined = waiting.join(
            wish=wish_of(asked, person=self.person, now=self.now),
            project=asked["project"],
            purpose=asked.get("purpose", ""),
            now=self.now,
        )
        return Response(
            self._shown(joined.pk),
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/waiting/{joined.pk}/"},
        )

    @extend_schema(request=None, responses={201: TakenShape})
    @action(detail=True, methods=["post"])
    def take(self, request: Request, pk: UUID) -> Response:
        """Book what is held for you; a window that has begun begins now."""
        made = waiting.take_offer(wish_id=pk, actor=self.person, now=self.now)
        return Response(
            {"reservation": made.pk},
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/reservations/{made.pk}/"},
        )

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Wait no longer; an offer goes to the next. A second time changes nothing."""
        waiting.leave(wish_id=pk, actor=self.person, now=self.now)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _shown(self, pk: UUID) -> dict[str, Any]:
        wish = self.get_queryset().filter(pk=pk).first()
        if wish is None:
            raise NotFound(_("There is no such wish of yours on the wait list."))
        return wish_shown(wish, positions_of([wish]).get(pk), now=self.now)


def wish_shown(wish: WaitingWish, position: int | None, *, now: Any) -> dict[str, Any]:
    """Return a place on the wait list as its person sees it."""
    has_offer = wish.state == WaitingWish.State.OFFERED and wish.hold is not None and wish.hold.is_open(now)
    return {
        "id": wish.pk,
        "project": wish.project.slug,
        "purpose": wish.purpose,
        "state": wish.state,
        "resources": wish.lines,
        "words": words_of(wish),
        "duration_s": int(wish.duration.total_seconds()),
        "earliest": wish.earliest,
        "latest": wish.latest,
        "created_at": wish.created_at,
        "gives_up_at": wish.gives_up_at,
        "position": position,
        "offer": hold_shown(wish.hold) if has_offer and wish.hold is not None else None,
        "reservation": wish.reservation_id,
    }
