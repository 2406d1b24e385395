"""Resources: what can be booked."""

from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from adapters.catalogue import CATALOGUE
from resources.models import Resource
from resources.selectors import described_resources


class CheckShape(serializers.Serializer[Any]):
    """One thing that was looked at to prove a device clean."""

    name = serializers.CharField()
    expected = serializers.CharField(allow_blank=True)
    found = serializers.CharField(allow_blank=True)
    passed = serializers.BooleanField()
    method = serializers.CharField(allow_blank=True)


class ProofShape(serializers.Serializer[Any]):
    """The evidence that a device was clean after a lease."""

    verified_at = serializers.DateTimeField()
    verifier = serializers.CharField()
    is_clean = serializers.BooleanField()
    digest = serializers.CharField()
    checks = CheckShape(many=True)


class ResourceShape(serializers.ModelSerializer[Resource]):
    """One bookable device, or one bookable part of a shared device."""

    site = serializers.CharField(source="site.slug", read_only=True)
    model = serializers.CharField(read_only=True)
    attributes = serializers.DictField(read_only=True)
    parent = serializers.UUIDField(  # type: ignore[assignment]
        source="parent_id", read_only=True, allow_null=True
    )
    has_parts = serializers.BooleanField(read_only=True)
    depth = serializers.IntegerField(read_only=True, help_text="0 for a whole, 1 for its parts, and so on.")
    quarantined = serializers.SerializerMethodField()
    notice = serializers.SerializerMethodField()

    class Meta:
        model = Resource
        # Never `settings`: how a site reaches its device is the site's own business.
        fields = [
            "id",
            "name",
            "site",
            "kind",
            "adapter",
            "model",
            "attributes",
            "parent",
            "has_parts",
            "depth",
            "health",
            "health_detail",
            "observed_at",
            "quarantined",
            "quarantine_reason",
            "in_service",
            "preparation_s",
            "cleanup_s",
            "notice",
        ]
        read_only_fields = fields

    def get_quarantined(self, resource: Resource) -> bool:
        """Whether it waits until it is proven clean."""
        return resource.quarantined_at is not None

    def get_notice(self, resource: Resource) -> str:
        """What one should know before booking it."""
        description = CATALOGUE.get(resource.adapter)
        return description.notice if description else ""


class ResourceDetail(ResourceShape):
    """A resource with the last proof that it was clean."""

    last_proof = serializers.SerializerMethodField()

    class Meta(ResourceShape.Meta):
        fields = [*ResourceShape.Meta.fields, "last_proof"]
        read_only_fields = fields

    @extend_schema_field(ProofShape(allow_null=True))
    def get_last_proof(self, resource: Resource) -> dict[str, Any] | None:
        """The last evidence that it was clean."""
        proof = resource.proofs.order_by("-verified_at").first()
        if proof is None:
            return None
        return {
            "verified_at": proof.verified_at,
            "verifier": proof.verifier,
            "is_clean": proof.is_clean,
            "digest": proof.digest,
            "checks": proof.checks,
        }


class ResourceFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Which resources."""

    site = django_filters.CharFilter(field_name="site__slug", help_text="The slug of the site.")
    kind = django_filters.CharFilter(help_text="Such as gpu, p4_switch or smart_nic.")
    adapter = django_filters.CharFilter()
    model = django_filters.CharFilter(lookup_expr="iexact")
    parent = django_filters.UUIDFilter(field_name="parent_id", help_text="Only the parts of this device.")
    search = django_filters.CharFilter(method="having", help_text="In the name, the model or the site's name.")

    class Meta:
        model = Resource
        fields: list[str] = []

    def having(self, found: QuerySet[Resource], _: str, words: str) -> QuerySet[Resource]:
        """Keep those in which the words occur."""
        return found.filter(
            Q(name__icontains=words) | Q(model__icontains=words) | Q(site__name__icontains=words)
        )


class ResourceDoor(mixins.ListModelMixin, mixins.RetrieveModelMixin, Door[Resource]):
    """Everything that can be booked, over all sites."""

    queryset = Resource.objects.all()
    serializer_class = ResourceShape
    filterset_class = ResourceFilter
    ordering = ("name", "id")

    def visible(self) -> QuerySet[Resource]:
        """Return all resources: the calendar shows them to everybody who is signed in."""
        return described_resources()

    @extend_schema(responses=ResourceDetail)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Show one resource, with the last proof that it was clean."""
        return Response(ResourceDetail(self.get_object()).data)
