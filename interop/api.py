"""Calendar feeds of one's own, by the REST API."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from accounts.models import Project
from accounts.scopes import Scope
from interop.calendar_feeds import issue_calendar_feed, revoke_calendar_feed
from interop.ical import address_for
from interop.models import CalendarFeed
from resources.models import Resource


class CalendarFeedShape(serializers.ModelSerializer[CalendarFeed]):
    """A feed, without the secret that only its owner has."""

    project = serializers.CharField(source="project.slug", default=None, read_only=True, allow_null=True)
    resource = serializers.UUIDField(source="resource_id", read_only=True, allow_null=True)
    title = serializers.CharField(source="__str__", read_only=True)

    class Meta:
        model = CalendarFeed
        fields = [
            "id",
            "scope",
            "project",
            "resource",
            "title",
            "shows_details",
            "created_at",
            "last_used_at",
            "last_used_by",
        ]
        read_only_fields = fields


class IssuedCalendarFeed(CalendarFeedShape):
    """A new feed, with its address: shown this once, kept nowhere."""

    address = serializers.CharField(read_only=True)
    secret = serializers.CharField(
        read_only=True, help_text="For programs that can send it: `Authorization: Bearer …`."
    )

    class Meta(CalendarFeedShape.Meta):
        fields = [*CalendarFeedShape.Meta.fields, "address", "secret"]
        read_only_fields = fields


class AskedCalendarFeed(serializers.Serializer[Any]):
    """A feed to make."""

    scope = serializers.ChoiceField(choices=CalendarFeed.Scope.choices)
    project = serializers.SlugField(required=False, allow_blank=True, help_text="The slug of a project.")
    resource = serializers.UUIDField(required=False, allow_null=True)
    shows_details = serializers.BooleanField(
        default=False, help_text="What for and by whom, as far as you may see it; otherwise only when."
    )


class CalendarFeedDoor(mixins.ListModelMixin, Door[CalendarFeed]):
    """Addresses at which a calendar program reads your reservations, a project's or a device's."""

    writes = Scope.KEYS
    queryset = CalendarFeed.objects.all()
    serializer_class = CalendarFeedShape
    ordering = ("-created_at", "id")
    lookup_value_converter = "uuid"

    def visible(self) -> QuerySet[CalendarFeed]:
        """Return one's own feeds that are in force."""
        return CalendarFeed.objects.select_related("project", "resource__site", "owner").filter(
            owner=self.person, revoked_at=None
        )

    @extend_schema(request=AskedCalendarFeed, responses={201: IssuedCalendarFeed})
    def create(self, request: Request) -> Response:
        """Make a feed; the answer shows its address, once."""
        asked = self.read(AskedCalendarFeed)
        feed, secret = issue_calendar_feed(
            owner=self.person,
            scope=asked["scope"],
            project=Project.objects.filter(slug=asked.get("project") or "").first(),
            resource=_device(asked.get("resource")),
            shows_details=asked["shows_details"],
        )
        shown = CalendarFeedShape(feed).data | {"address": address_for(secret), "secret": secret}
        return Response(shown, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Revoke a feed: from now on its address answers nobody."""
        revoke_calendar_feed(feed_id=pk, owner=self.person, now=self.now)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _device(key: UUID | None) -> Resource | None:
    return Resource.objects.select_related("site").filter(pk=key).first() if key else None
