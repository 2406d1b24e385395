"""Sites and their policy."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import mixins, serializers

from accounts.api.door import Door
from resources.models import Site


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


def _seconds(length: timedelta | None) -> int | None:
    return None if length is None else int(length.total_seconds())
