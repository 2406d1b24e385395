"""Oneself."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from accounts.models import Membership, User


class MyProject(serializers.Serializer[Any]):
    """A project that one can book for."""

    slug = serializers.CharField()
    name = serializers.CharField()
    role = serializers.ChoiceField(choices=Membership.Role.choices)


@extend_schema_serializer(many=False)
class Me(serializers.Serializer[Any]):
    """Who the portal takes the caller for."""

    username = serializers.CharField()
    name = serializers.CharField()
    email = serializers.CharField()
    time_zone = serializers.CharField(help_text="Empty: the browser's.")
    projects = MyProject(many=True)
    operates = serializers.ListField(child=serializers.CharField(), help_text="The slugs of one's sites.")
    is_staff = serializers.BooleanField()
    has_ssh_key = serializers.BooleanField(help_text="Whether devices reached by ssh would let one in.")


class MeDoor(Door[User]):
    """Who am I, and what may I book for?"""

    queryset = User.objects.all()
    pagination_class = None
    filter_backends = ()
    serializer_class = Me

    @extend_schema(operation_id="me", responses=Me)
    def list(self, request: Request) -> Response:
        """Show who the portal takes you for: your projects, and the sites that you operate."""
        user = self.person
        memberships = user.memberships.select_related("project").order_by("project__name")
        return Response(
            {
                "username": user.username,
                "name": str(user),
                "email": user.email,
                "time_zone": user.time_zone,
                "projects": [
                    {"slug": each.project.slug, "name": each.project.name, "role": each.role}
                    for each in memberships
                ],
                "operates": list(
                    user.operatorships.order_by("site__slug").values_list("site__slug", flat=True)
                ),
                "is_staff": user.is_staff,
                "has_ssh_key": user.ssh_keys.exists(),
            }
        )
