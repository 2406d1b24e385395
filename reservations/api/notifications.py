"""Which messages one gets, by the REST API."""

from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from accounts.scopes import Scope
from reservations.messages.kinds import KINDS
from reservations.models import MessageChoices
from reservations.policy import LONGEST_LEAD
from reservations.selectors.messages import choices_of, is_wanted
from reservations.services.messages import choose_messages

LONGEST_LEAD_MIN = int(LONGEST_LEAD.total_seconds()) // 60


class MessageKindShape(serializers.Serializer[Any]):
    """A kind of message, and whether one gets it."""

    name = serializers.ChoiceField(choices=list(KINDS))
    title = serializers.CharField()
    explains = serializers.CharField()
    wanted = serializers.BooleanField()
    optional = serializers.BooleanField(help_text="Whether one can do without it.")


@extend_schema_serializer(many=False)
class NotificationsShape(serializers.Serializer[Any]):
    """Which messages one gets, and how long before."""

    email = serializers.CharField(allow_blank=True)
    kinds = MessageKindShape(many=True)
    start_lead_min = serializers.IntegerField(help_text="Minutes before a start.")
    end_lead_min = serializers.IntegerField(help_text="Minutes before an end.")


class AskedNotifications(serializers.Serializer[Any]):
    """What to change; what is left out stays."""

    wanted = serializers.DictField(child=serializers.BooleanField(), required=False)
    start_lead_min = serializers.IntegerField(required=False, min_value=5, max_value=LONGEST_LEAD_MIN)
    end_lead_min = serializers.IntegerField(required=False, min_value=5, max_value=LONGEST_LEAD_MIN)


class NotificationDoor(Door[MessageChoices]):
    """Which messages one gets by mail."""

    writes = Scope.BOOK
    queryset = MessageChoices.objects.all()
    pagination_class = None
    filter_backends = ()
    serializer_class = NotificationsShape

    @extend_schema(operation_id="notifications", responses=NotificationsShape)
    def list(self, request: Request) -> Response:
        """Show which messages you get, and how long before a start and an end."""
        return self._answer()

    @extend_schema(
        operation_id="notifications_choose",
        request=AskedNotifications,
        responses={200: NotificationsShape},
    )
    def create(self, request: Request) -> Response:
        """Choose which messages you get; what is left out stays as it is."""
        asked = self.read(AskedNotifications)
        leads = {
            name: timedelta(minutes=asked[f"{name}_min"])
            for name in ("start_lead", "end_lead")
            if f"{name}_min" in asked
        }
        choose_messages(user=self.person, wanted=asked.get("wanted", {}), **leads)
        return self._answer()

    def _answer(self) -> Response:
        choices = choices_of(self.person)
        operates = self.person.is_superuser or self.person.operatorships.exists()
        return Response(
            {
                "email": self.person.email,
                "kinds": [
                    {
                        "name": kind.name,
                        "title": str(kind.title),
                        "explains": str(kind.explains),
                        "wanted": is_wanted(kind.name, choices),
                        "optional": kind.is_optional,
                    }
                    for kind in KINDS.values()
                    if operates or not kind.for_operators
                ],
                "start_lead_min": int(choices.start_lead.total_seconds()) // 60,
                "end_lead_min": int(choices.end_lead.total_seconds()) // 60,
            }
        )
