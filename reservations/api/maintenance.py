"""Maintenance windows."""

from uuid import UUID

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from accounts.scopes import Scope
from reservations.api.asked import AskedMaintenance
from reservations.api.shapes import MaintenanceShape
from reservations.services.maintenance import cancel_maintenance, plan_maintenance
from resources.models import MaintenanceWindow


class MaintenanceFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Which maintenance windows."""

    site = django_filters.CharFilter(field_name="resource__site__slug", help_text="The slug of the site.")
    resource = django_filters.UUIDFilter(field_name="resource_id")
    ends_after = django_filters.IsoDateTimeFilter(field_name="ends_at", lookup_expr="gt")

    class Meta:
        model = MaintenanceWindow
        fields: list[str] = []


class MaintenanceDoor(mixins.ListModelMixin, Door[MaintenanceWindow]):
    """Times in which resources cannot be booked; everybody may know, operators plan them."""

    writes = Scope.OPERATE

    queryset = MaintenanceWindow.objects.all()
    serializer_class = MaintenanceShape
    filterset_class = MaintenanceFilter
    ordering = ("-starts_at", "id")
    lookup_value_converter = "uuid"

    def visible(self) -> QuerySet[MaintenanceWindow]:
        """Return all: the calendar shows them to everybody who is signed in."""
        return MaintenanceWindow.objects.select_related("resource__site")

    @extend_schema(request=AskedMaintenance, responses={201: MaintenanceShape})
    def create(self, request: Request) -> Response:
        """Keep a resource and its parts free of leases for a while.

        Never takes a booked slot: a refusal (409, `leases_in_the_way`) names the leases.
        """
        asked = self.read(AskedMaintenance)
        window = plan_maintenance(
            resource_id=asked["resource"],
            starts_at=asked["starts_at"],
            ends_at=asked["ends_at"],
            reason=asked.get("reason", ""),
            actor=self.person,
            now=self.now,
        )
        return Response(MaintenanceShape(window).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Give the time back to the calendar."""
        cancel_maintenance(window_id=pk, actor=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)
