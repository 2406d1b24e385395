"""Files for devices."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from reservations.api.asked import AskedArtefact
from reservations.api.shapes import ArtefactShape
from reservations.models import Artefact
from reservations.selectors.visibility import visible_artefacts
from reservations.services.artefacts import accept_artefact


class ArtefactDoor(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door[Artefact]):
    """Files for devices, such as compiled P4 programs: checked before they are accepted."""

    queryset = Artefact.objects.all()
    serializer_class = ArtefactShape
    filterset_fields = ("adapter", "name")
    ordering = ("-created_at", "id")
    lookup_value_converter = "uuid"

    def get_parsers(self) -> list[BaseParser]:
        """Take a form; everything else of the API is JSON."""
        wanted = [parser() for parser in type(self).parser_classes]
        return [parser for parser in wanted if "multipart" in str(parser.media_type)]

    def visible(self) -> QuerySet[Artefact]:
        """Return the files of one's projects, without what is in them."""
        return visible_artefacts(self.person).select_related("project").defer("content")

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
            content=asked["file"].read(),
        )
        return Response(ArtefactShape(artefact).data, status=status.HTTP_201_CREATED)
