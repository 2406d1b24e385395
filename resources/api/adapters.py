"""What can be chosen and must be given for each kind of device."""

from functools import cache
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from adapters.catalogue import CATALOGUE
from adapters.contract import AdapterDescription
from resources.models import Resource


class ArtefactSlotShape(serializers.Serializer[Any]):
    """A file that one may or must give with a booking."""

    name = serializers.CharField()
    title = serializers.CharField()
    required = serializers.BooleanField()  # type: ignore[assignment]
    max_bytes = serializers.IntegerField()
    help = serializers.CharField(allow_blank=True)


class AdapterShape(serializers.Serializer[Any]):
    """A kind of hardware tool: what can be chosen for a lease of its devices."""

    name = serializers.CharField()
    title = serializers.CharField()
    kinds = serializers.ListField(child=serializers.CharField())
    notice = serializers.CharField(allow_blank=True)
    parameters_schema = serializers.DictField(help_text="JSON Schema of a lease's `parameters`.")
    artefacts = ArtefactSlotShape(many=True)
    preparation_s = serializers.IntegerField()
    cleanup_s = serializers.IntegerField()


class AdapterDoor(Door[Resource]):
    """What can be chosen for each kind of device, and which files it needs."""

    queryset = Resource.objects.all()
    serializer_class = AdapterShape
    pagination_class = None
    filter_backends = ()

    @extend_schema(operation_id="adapters_list", responses=AdapterShape(many=True))
    def list(self, request: Request) -> Response:
        """List what can be chosen for each kind of device, and which files it needs."""
        return Response([_described(each) for each in CATALOGUE.values()])


def _described(adapter: AdapterDescription) -> dict[str, Any]:
    return {
        "name": adapter.name,
        "title": adapter.title,
        "kinds": list(adapter.kinds),
        "notice": adapter.notice,
        "parameters_schema": _parameters_of(adapter.name),
        "artefacts": [
            {
                "name": slot.name,
                "title": slot.title,
                "required": slot.required,
                "max_bytes": slot.max_bytes,
                "help": slot.help,
            }
            for slot in adapter.artefacts
        ],
        "preparation_s": int(adapter.preparation.total_seconds()),
        "cleanup_s": int(adapter.cleanup.total_seconds()),
    }


@cache
def _parameters_of(name: str) -> dict[str, Any]:
    # Drawing a schema costs milliseconds and never gives another answer.
    return CATALOGUE[name].schema_of("parameters")
