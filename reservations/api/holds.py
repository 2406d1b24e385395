"""Holds: what is kept free for somebody for some minutes."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door, Moment
from reservations.api.asked import AskedResources, asks_of, ties_of
from reservations.errors import NotFound
from reservations.models import Hold
from reservations.policy import HOLD_RENEWALS
from reservations.services import holds


class AskedHold(AskedResources):
    """What to keep free, and which window it would be booked for."""

    starts_at = Moment(required=False, allow_null=True, help_text="Left out: now.")
    ends_at = Moment()
    instead_of = serializers.UUIDField(
        required=False, allow_null=True, help_text="A hold of yours that this one takes the place of."
    )


class HeldShape(serializers.Serializer[Any]):
    """One device of a hold."""

    resource = serializers.UUIDField()
    resource_name = serializers.CharField()
    site = serializers.CharField()
    line = serializers.IntegerField(help_text="For which line of what was asked, from 0.")


class HoldShape(serializers.Serializer[Any]):
    """Devices kept free for you; book the very devices in the very window before it runs out."""

    id = serializers.UUIDField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    renewals_left = serializers.IntegerField()
    is_offer = serializers.BooleanField(help_text="Made by the wait list, not asked for.")
    resources = HeldShape(many=True)


class HoldDoor(Door[Hold]):
    """Devices kept free for you for some minutes, while you make up your mind."""

    is_all_or_nothing = True

    queryset = Hold.objects.all()
    serializer_class = HoldShape
    pagination_class = None
    filter_backends = ()
    lookup_value_converter = "uuid"

    def visible(self) -> QuerySet[Hold]:
        """Return the person's own that still last."""
        return (
            Hold.objects.filter(holder=self.person, over_at__isnull=True, expires_at__gt=self.now)
            .prefetch_related("held__resource__site")
            .order_by("created_at")
        )

    @extend_schema(responses=HoldShape(many=True))
    def list(self, request: Request) -> Response:
        """List what is kept free for you."""
        return Response([hold_shown(each) for each in self.get_queryset()])

    @extend_schema(responses=HoldShape)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show what is kept free for you."""
        return Response(self._shown(pk))

    @extend_schema(request=AskedHold, responses={201: HoldShape})
    def create(self, request: Request) -> Response:
        """Keep everything that is asked for free of others for some minutes, or nothing.

        It is refused as a booking would be (409, `cannot_book`). To book it, name its devices and its window in
        a reservation: that ends the hold. Nobody can hold a device again and again without booking it.
        """
        asked = self.read(AskedHold)
        made = holds.hold(
            holds.HoldRequest(
                user=self.person,
                starts_at=asked.get("starts_at"),
                ends_at=asked["ends_at"],
                asks=asks_of(asked["resources"]),
                ties=ties_of(asked),
                instead_of=asked.get("instead_of"),
            ),
            now=self.now,
        )
        return Response(
            self._shown(made.pk),
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/holds/{made.pk}/"},
        )

    @extend_schema(request=None, responses=HoldShape)
    @action(detail=True, methods=["post"])
    def renew(self, request: Request, pk: UUID) -> Response:
        """Let it last for some minutes more; a few times only."""
        holds.renew_hold(hold_id=pk, actor=self.person, now=self.now)
        return Response(self._shown(pk))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Let others have it. A second time changes nothing."""
        holds.give_back_hold(hold_id=pk, actor=self.person, now=self.now)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _shown(self, pk: UUID) -> dict[str, Any]:
        found = self.get_queryset().filter(pk=pk).first()
        if found is None:
            raise NotFound(_("There is no such hold of yours, or it is over."))
        return hold_shown(found)


def hold_shown(kept: Hold) -> dict[str, Any]:
    """Return a hold as its holder sees it."""
    return {
        "id": kept.pk,
        "starts_at": kept.starts_at,
        "ends_at": kept.ends_at,
        "created_at": kept.created_at,
        "expires_at": kept.expires_at,
        "renewals_left": 0 if kept.is_offer else max(HOLD_RENEWALS - kept.renewals, 0),
        "is_offer": kept.is_offer,
        "resources": [
            {
                "resource": held.resource_id,
                "resource_name": held.resource.name,
                "site": held.resource.site.slug,
                "line": held.line,
            }
            for held in kept.held.all()
        ],
    }
