"""Files for devices."""

from typing import ClassVar
from uuid import UUID

import django_filters
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from reservations.api.asked import AskedArtefact, AskedBuild
from reservations.api.shapes import ArtefactShape, BuildShape
from reservations.models import Artefact, Build
from reservations.selectors.visibility import visible_artefacts
from reservations.services.artefacts import accept_artefact, ask_for_build, delete_artefact


class ArtefactFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Which files."""

    project = django_filters.CharFilter(field_name="project__slug", help_text="The slug of the project.")

    class Meta:
        model = Artefact
        fields: ClassVar = ["adapter", "name", "filename"]


class ArtefactDoor(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door[Artefact]):
    """Files for devices, such as compiled P4 programs: checked before they are accepted."""

    queryset = Artefact.objects.all()
    serializer_class = ArtefactShape
    filterset_class = ArtefactFilter
    ordering = ("-created_at", "id")
    lookup_value_converter = "uuid"

    def get_parsers(self) -> list[BaseParser]:
        """Take a form for a file; everything else of the API is JSON."""
        if getattr(self, "detail", False):
            return super().get_parsers()
        wanted = [parser() for parser in type(self).parser_classes]
        return [parser for parser in wanted if "multipart" in str(parser.media_type)]

    def visible(self) -> QuerySet[Artefact]:
        """Return the files of one's projects, without what is in them."""
        return visible_artefacts(self.person).select_related("project", "uploaded_by").defer("content")

    @extend_schema(request={"multipart/form-data": AskedArtefact}, responses={201: ArtefactShape})
    def create(self, request: Request) -> Response:
        """Upload a file; its adapter looks at it closely and says what is wrong before anybody waits for it."""
        asked = self.read(AskedArtefact)
        artefact = accept_artefact(
            user=self.person,
            project=asked["project"],
            adapter=asked["adapter"],
            name=asked["name"],
            filename=asked["file"].name,
            # Read piece by piece, and no further than the slot allows.
            content=asked["file"].chunks(),
        )
        return Response(ArtefactShape(artefact).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Delete a file that no lease needs any more; for who uploaded it, and the leaders of its project."""
        delete_artefact(artefact_id=pk, actor=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY}, filters=False)
    @action(detail=True, methods=["get"])
    def content(self, request: Request, pk: UUID) -> HttpResponse:
        """Download the file, byte for byte; for members of its project."""
        artefact = self.visible().defer(None).filter(pk=pk).first()
        if artefact is None:
            raise NotFound("There is no such file, or it is not yours to see.")
        return HttpResponse(
            bytes(artefact.content),
            content_type="application/octet-stream",
            headers={"Content-Disposition": content_disposition_header(True, artefact.filename)},
        )

    @extend_schema(request=AskedBuild, responses={202: BuildShape})
    @action(detail=True, methods=["post"])
    def build(self, request: Request, pk: UUID) -> Response:
        """Have the site of a device make its files from this source; what it makes are new versions."""
        asked = self.read(AskedBuild)
        build = ask_for_build(source_id=pk, resource_id=asked["resource"], actor=self.person, now=self.now)
        return Response(BuildShape(build).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses=BuildShape(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def builds(self, request: Request, pk: UUID) -> Response:
        """List what was made from this source, the latest first."""
        source = self.get_object()
        builds = Build.objects.select_related("resource__site").filter(source=source)
        made = Prefetch("made", queryset=self.visible())
        return Response(BuildShape(builds.prefetch_related(made)[:20], many=True).data)
