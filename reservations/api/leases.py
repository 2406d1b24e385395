"""Leases: what operators approve, reject, have cleaned again, and vouch for."""

from uuid import UUID

import django_filters
from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.scopes import Scope
from reservations.api.asked import AskedFiles, AskedReason
from reservations.api.presenting import lease_brief, lease_whole, whose
from reservations.api.shapes import LeaseOf, LeaseOfBrief
from reservations.api.use import UseDoor
from reservations.models import Artefact, Lease, LeaseEvent
from reservations.selectors.viewer import Viewer
from reservations.selectors.visibility import visible_leases
from reservations.selectors.warnings import warnings_of_leases
from reservations.services import approval, cleaning
from reservations.services.artefacts import replace_files
from reservations.states import Status


class LeaseFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Which leases."""

    status = django_filters.ChoiceFilter(choices=Status.choices)
    site = django_filters.CharFilter(field_name="resource__site__slug", help_text="The slug of the site.")
    resource = django_filters.UUIDFilter(field_name="resource_id")

    class Meta:
        model = Lease
        fields: list[str] = []


class LeaseDoor(UseDoor):
    """Leases: the hold of exactly one resource each, and the only thing with a status."""

    scopes = dict.fromkeys(("approve", "reject", "retry", "vouch"), Scope.OPERATE)

    queryset = Lease.objects.all()
    serializer_class = LeaseOf
    filterset_class = LeaseFilter
    ordering = ("-starts_at", "id")
    lookup_value_converter = "uuid"

    def visible(self) -> QuerySet[Lease]:
        """Return the leases of visible reservations."""
        return visible_leases(self.person).select_related(
            "resource__site", "reservation__project", "reservation__holder"
        )

    @extend_schema(responses=LeaseOfBrief(many=True))
    def list(self, request: Request) -> Response:
        """List what you may see: `?status=REQUESTED` are those that wait for approval."""
        viewer = Viewer(self.person)
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset().defer("access"))) or []
        return self.get_paginated_response(
            [lease_brief(each, viewer, now=self.now) | whose(each.reservation) for each in page]
        )

    @extend_schema(responses=LeaseOf, filters=False)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show a lease with its history."""
        return self._answer(pk)

    @extend_schema(request=AskedReason, responses=LeaseOf)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: UUID) -> Response:
        """Schedule a lease that was asked for; for operators of its site."""
        reason = self.read(AskedReason).get("reason", "")
        self._seen(pk)
        approval.approve_lease(lease_id=pk, actor=self.person, reason=reason, now=self.now)
        return self._answer(pk)

    @extend_schema(request=AskedReason, responses=LeaseOf)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: UUID) -> Response:
        """Refuse a lease that was asked for; the rest of its reservation is cancelled with it."""
        reason = self.read(AskedReason).get("reason", "")
        self._seen(pk)
        approval.reject_lease(lease_id=pk, actor=self.person, reason=reason, now=self.now)
        return self._answer(pk)

    @extend_schema(request=None, responses=LeaseOf)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: UUID) -> Response:
        """Have the site try again to clean the device and to prove it."""
        cleaning.retry_release(self._seen(pk), actor=self.person, now=self.now)
        return self._answer(pk)

    @extend_schema(request=AskedReason, responses=LeaseOf)
    @action(detail=True, methods=["post"])
    def vouch(self, request: Request, pk: UUID) -> Response:
        """Say that you have looked at the device and that it is clean; your words are kept as the proof."""
        reason = self.read(AskedReason).get("reason", "")
        cleaning.vouch(self._seen(pk), actor=self.person, reason=reason, now=self.now)
        return self._answer(pk)

    @extend_schema(request=AskedFiles, responses=LeaseOf)
    @action(detail=True, methods=["post"])
    def files(self, request: Request, pk: UUID) -> Response:
        """Give a lease that has not started other files; they are checked, and tried again before the start."""
        asked = self.read(AskedFiles)["artefacts"]
        replace_files(lease_id=pk, files=asked, actor=self.person, now=self.now)
        return self._answer(pk)

    def _seen(self, pk: UUID) -> Lease:
        """Return the lease; somebody else's is not there, whatever it is."""
        lease = self.get_queryset().filter(pk=pk).first()
        if lease is None:
            raise NotFound("There is no such lease, or it is not yours to see.")
        return lease

    def _answer(self, pk: UUID) -> Response:
        events = Prefetch("events", queryset=LeaseEvent.objects.select_related("actor"))
        files = Prefetch("artefacts", queryset=Artefact.objects.defer("content").order_by("name"))
        found = self.get_queryset().select_related("rehearsal").prefetch_related(events, files, "proofs")
        lease = found.filter(pk=pk).first()
        if lease is None:
            raise NotFound("There is no such lease, or it is not yours to see.")
        shown = lease_whole(
            lease,
            lease.reservation,
            Viewer(self.person),
            now=self.now,
            warnings=warnings_of_leases([lease]).get(lease.pk, ()),
        )
        return Response(shown | whose(lease.reservation))
