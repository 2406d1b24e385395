"""Sites and their policy."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from resources.models import Resource, Site
from resources.selectors import cables_of


class PolicyShape(serializers.Serializer[Any]):
    """How much may be booked at the site; null means no limit of its own."""

    longest_lease_s = serializers.IntegerField(allow_null=True)
    look_ahead_s = serializers.IntegerField(allow_null=True)
    most_open_reservations = serializers.IntegerField(allow_null=True)
    most_hours = serializers.IntegerField(allow_null=True)


class SiteShape(serializers.ModelSerializer[Site]):
    """One institution's part of the testbed."""

    organisation = serializers.CharField(source="organisation.name", read_only=True)
    reachable = serializers.SerializerMethodField()
    policy = serializers.SerializerMethodField()

    class Meta:
        model = Site
        fields = [
            "id",
            "slug",
            "name",
            "organisation",
            "time_zone",
            "approval",
            "reachable",
            "last_heard_at",
            "latitude",
            "longitude",
            "policy",
        ]
        read_only_fields = fields

    def get_reachable(self, site: Site) -> bool:
        """Whether the site was heard of late."""
        return site.is_reachable(self.context["view"].now)

    @extend_schema_field(PolicyShape)
    def get_policy(self, site: Site) -> dict[str, int | None]:
        """What may be booked there."""
        return {
            "longest_lease_s": _seconds(site.longest_lease),
            "look_ahead_s": _seconds(site.look_ahead),
            "most_open_reservations": site.most_open_reservations,
            "most_hours": site.most_hours,
        }


class TopologyDeviceShape(serializers.Serializer[Any]):
    """A device that has cables."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.CharField()
    site = serializers.CharField(help_text="Its slug: another one at the far end of a link between sites.")


class TopologyEndShape(serializers.Serializer[Any]):
    """One end of a cable."""

    resource = serializers.UUIDField()
    resource_name = serializers.CharField()
    port = serializers.CharField()


class TopologyLinkShape(serializers.Serializer[Any]):
    """A cable."""

    ends = TopologyEndShape(many=True, help_text="Two.")
    speed_gbps = serializers.FloatField(allow_null=True)
    between_sites = serializers.BooleanField()


class TopologyShape(serializers.Serializer[Any]):
    """How a site's devices are wired; parts use the cables of their whole."""

    devices = TopologyDeviceShape(many=True)
    links = TopologyLinkShape(many=True)


class SiteDoor(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door[Site]):
    """The sites of the federation, with what each allows."""

    queryset = Site.objects.all()
    serializer_class = SiteShape
    filterset_fields = ("slug", "approval")
    ordering = ("name", "id")
    lookup_field = "slug"
    lookup_value_converter = "slug"

    def visible(self) -> QuerySet[Site]:
        """Return all sites: the federation is no secret to its members."""
        return Site.objects.select_related("organisation")

    @extend_schema(responses=TopologyShape, filters=False)
    @action(detail=True)
    def topology(self, request: Request, slug: str) -> Response:
        """Show how the site's devices are wired to each other, and to other sites."""
        cables = list(cables_of(self.get_object()).order_by("a__name", "a_port"))
        devices: dict[Any, Resource] = {}
        for cable in cables:
            devices[cable.a_id], devices[cable.b_id] = cable.a, cable.b
        return Response(
            {
                "devices": [
                    {"id": each.pk, "name": each.name, "kind": each.kind, "site": each.site.slug}
                    for each in sorted(devices.values(), key=lambda each: (each.name, str(each.pk)))
                ],
                "links": [
                    {
                        "ends": [
                            {"resource": end.pk, "resource_name": end.name, "port": port}
                            for end, port in ((cable.a, cable.a_port), (cable.b, cable.b_port))
                        ],
                        "speed_gbps": cable.speed_gbps,
                        "between_sites": cable.between_sites,
                    }
                    for cable in cables
                ],
            }
        )


def _seconds(length: timedelta | None) -> int | None:
    return None if length is None else int(length.total_seconds())
