"""Templates: what is booked often, under a name."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from reservations.api.asked import AskedReservation, AskedResources, asks_of, ties_of
from reservations.models import Template
from reservations.policy import LONGEST_LEASE, SHORTEST_LEASE
from reservations.services import templates as verbs
from reservations.services.lines import asks_of_lines, ties_of_links
from resources.models import Resource

_NAME = Template._meta.get_field("name").max_length  # noqa: SLF001


class AskedTemplate(AskedResources):
    """A booking without a time, and its name."""

    project = serializers.CharField(max_length=50, help_text="The slug of one of your projects.")
    name = serializers.CharField(max_length=_NAME)
    shared = serializers.BooleanField(required=False, help_text="Whether the project's members see it.")
    purpose = AskedReservation().fields["purpose"]
    duration_s = serializers.IntegerField(
        min_value=int(SHORTEST_LEASE.total_seconds()), max_value=int(LONGEST_LEASE.total_seconds())
    )


class AskedTemplateLike(serializers.Serializer[Any]):
    """A reservation to keep as a template."""

    reservation = serializers.UUIDField()
    name = serializers.CharField(max_length=_NAME)
    shared = serializers.BooleanField(required=False)


class AskedTemplateChange(serializers.Serializer[Any]):
    """What is to be different."""

    name = serializers.CharField(required=False, max_length=_NAME)
    shared = serializers.BooleanField(required=False)
    purpose = AskedReservation().fields["purpose"]
    duration_s = serializers.IntegerField(
        required=False,
        min_value=int(SHORTEST_LEASE.total_seconds()),
        max_value=int(LONGEST_LEASE.total_seconds()),
    )


class OfReservation(serializers.Serializer[Any]):
    """Of which reservation."""

    reservation = serializers.UUIDField()


class TemplateShape(serializers.Serializer[Any]):
    """A booking without a time."""

    id = serializers.UUIDField(allow_null=True, help_text="Null: it is not kept.")
    project = serializers.CharField()
    project_name = serializers.CharField()
    owner = serializers.CharField()
    owner_name = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    shared = serializers.BooleanField()
    purpose = serializers.CharField(allow_blank=True)
    duration_s = serializers.IntegerField()
    resources = serializers.ListField(
        child=serializers.DictField(), help_text="The lines, as a booking takes them."
    )
    links = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))
    names = serializers.DictField(
        child=serializers.CharField(), help_text="The names of the devices in it, by their identifiers."
    )
    can_edit = serializers.BooleanField()


class TemplateDoor(Door[Template]):
    """What is booked often: one's own templates, and those shared in one's projects."""

    queryset = Template.objects.all()
    serializer_class = TemplateShape
    ordering = ("name", "id")
    lookup_value_converter = "uuid"

    def visible(self) -> QuerySet[Template]:
        """Return one's own, and those shared in one's projects."""
        return verbs.visible_templates(self.person).select_related("project", "owner")

    @extend_schema(responses=TemplateShape(many=True))
    def list(self, request: Request) -> Response:
        """List your templates, and those shared in your projects."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response(self._shown(*page))

    @extend_schema(responses=TemplateShape, filters=False)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show a template."""
        template = self.visible().filter(pk=pk).first()
        if template is None:
            raise NotFound("There is no such template, or it is not yours to see.")
        return Response(self._shown(template)[0])

    @extend_schema(request=AskedTemplate, responses={201: TemplateShape})
    def create(self, request: Request) -> Response:
        """Keep a booking without its time under a name."""
        asked = self.read(AskedTemplate)
        template = verbs.save_template(
            user=self.person,
            project=asked["project"],
            name=asked["name"],
            is_shared=asked.get("shared", False),
            purpose=asked.get("purpose", ""),
            duration=timedelta(seconds=asked["duration_s"]),
            asks=asks_of(asked["resources"]),
            ties=ties_of(asked),
        )
        return Response(self._shown(template)[0], status=status.HTTP_201_CREATED)

    @extend_schema(
        parameters=[OpenApiParameter("reservation", str, required=True)],
        responses=TemplateShape,
        filters=False,
    )
    @action(detail=False, methods=["get"], pagination_class=None)
    def like(self, request: Request) -> Response:
        """Show what a reservation asked for, to book it again; keeps nothing."""
        key = self.read_query(OfReservation)["reservation"]
        return Response(self._shown(verbs.template_like(reservation_id=key, user=self.person))[0])

    @extend_schema(request=AskedTemplateLike, responses={201: TemplateShape})
    @action(detail=False, methods=["post"], url_path="from-reservation")
    def from_reservation(self, request: Request) -> Response:
        """Keep what a reservation asked for under a name."""
        asked = self.read(AskedTemplateLike)
        like = verbs.template_like(reservation_id=asked["reservation"], user=self.person)
        template = verbs.save_template(
            user=self.person,
            project=like.project.slug,
            name=asked["name"],
            is_shared=asked.get("shared", False),
            purpose=like.purpose,
            duration=timedelta(seconds=like.duration_s),
            asks=asks_of_lines(like.lines),
            ties=ties_of_links(like.links),
        )
        return Response(self._shown(template)[0], status=status.HTTP_201_CREATED)

    @extend_schema(request=AskedTemplateChange, responses=TemplateShape)
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Give a template another name, share it, or change what it is for and how long it takes."""
        asked = self.read(AskedTemplateChange)
        duration_s = asked.get("duration_s")
        template = verbs.change_template(
            template_id=pk,
            actor=self.person,
            name=asked.get("name"),
            is_shared=asked.get("shared"),
            purpose=asked.get("purpose"),
            duration=None if duration_s is None else timedelta(seconds=duration_s),
        )
        return Response(self._shown(template)[0])

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Delete a template; nothing that was booked with it changes."""
        verbs.delete_template(template_id=pk, actor=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _shown(self, *templates: Template) -> Sequence[dict[str, Any]]:
        named = {line["resource"] for each in templates for line in each.lines if "resource" in line}
        found = Resource.objects.select_related("site").filter(pk__in=named) if named else ()
        names = {str(one.pk): str(one) for one in found}
        return [
            {
                "id": None if each._state.adding else each.pk,  # noqa: SLF001
                "project": each.project.slug,
                "project_name": each.project.name,
                "owner": each.owner.username,
                "owner_name": str(each.owner),
                "name": each.name,
                "shared": each.is_shared,
                "purpose": each.purpose,
                "duration_s": each.duration_s,
                "resources": each.lines,
                "links": each.links,
                "names": {
                    line["resource"]: names.get(line["resource"], "")
                    for line in each.lines
                    if "resource" in line
                },
                "can_edit": verbs.may_edit_template(self.person, each),
            }
            for each in templates
        ]
