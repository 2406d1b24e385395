"""The shapes of answers, as the schema shows them; `presenting` fills those of reservations."""

from typing import Any

from rest_framework import serializers

from reservations.api.refusals import FreeWindow, WishRefusalShape
from reservations.models import Artefact, Build, Rehearsal
from reservations.phase import Phase
from reservations.states import Status
from resources.api.resources import ProofShape
from resources.models import MaintenanceWindow


class ArtefactShape(serializers.ModelSerializer[Artefact]):
    """A file of a project, checked and ready to be booked with."""

    project = serializers.CharField(source="project.slug", read_only=True)
    uploaded_by = serializers.CharField(source="uploaded_by.username", read_only=True)
    facts = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        read_only=True,
        help_text="What is in it: of a P4Info its `tables` and `actions`.",
    )

    class Meta:
        model = Artefact
        fields = [
            "id",
            "project",
            "adapter",
            "name",
            "filename",
            "version",
            "sha256",
            "size",
            "provenance",
            "facts",
            "uploaded_by",
            "created_at",
        ]
        read_only_fields = fields


class BuildShape(serializers.ModelSerializer[Build]):
    """The making of files from source."""

    source = serializers.UUIDField(source="source_id", read_only=True)  # type: ignore[assignment]
    resource = serializers.UUIDField(source="resource_id", read_only=True)
    resource_name = serializers.CharField(source="resource.name", read_only=True)
    site = serializers.CharField(source="resource.site.slug", read_only=True)
    made = ArtefactShape(many=True, read_only=True)

    class Meta:
        model = Build
        fields = [
            "id",
            "source",
            "resource",
            "resource_name",
            "site",
            "state",
            "detail",
            "made",
            "asked_at",
            "answered_at",
        ]
        read_only_fields = fields


class LeaseFileShape(serializers.Serializer[Any]):
    """A file that a lease has, or a slot for one."""

    name = serializers.CharField()
    title = serializers.CharField()
    max_bytes = serializers.IntegerField()
    id = serializers.UUIDField(allow_null=True)
    filename = serializers.CharField(allow_blank=True)
    version = serializers.IntegerField(allow_null=True)
    sha256 = serializers.CharField(allow_blank=True)


class RehearsalStepShape(serializers.Serializer[Any]):
    """One thing that was tried."""

    name = serializers.CharField()
    expected = serializers.CharField()
    found = serializers.CharField()
    passed = serializers.BooleanField()
    method = serializers.CharField(allow_blank=True)


class RehearsalShape(serializers.Serializer[Any]):
    """How the trial of a lease's files went, before the start and not on the device."""

    state = serializers.ChoiceField(choices=Rehearsal.State.values)
    stage = serializers.CharField(allow_blank=True, help_text="What they were tried on.")
    steps = RehearsalStepShape(many=True)
    detail = serializers.CharField(allow_blank=True, help_text="Why they could not be tried.")
    asked_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField(allow_null=True)


class MaintenanceShape(serializers.ModelSerializer[MaintenanceWindow]):
    """A time in which a resource and its parts cannot be booked."""

    resource = serializers.UUIDField(source="resource_id", read_only=True)
    resource_name = serializers.CharField(source="resource.name", read_only=True)
    site = serializers.CharField(source="resource.site.slug", read_only=True)

    class Meta:
        model = MaintenanceWindow
        fields = ["id", "resource", "resource_name", "site", "starts_at", "ends_at", "reason", "created_at"]
        read_only_fields = fields


class EndpointShape(serializers.Serializer[Any]):
    """One way in."""

    label = serializers.CharField()  # type: ignore[assignment]
    protocol = serializers.CharField()
    host = serializers.CharField()
    port = serializers.IntegerField()
    username = serializers.CharField(allow_blank=True)
    secret = serializers.CharField(allow_blank=True)
    command = serializers.CharField(allow_blank=True, help_text="To paste into a terminal.")


class AccessFileShape(serializers.Serializer[Any]):
    """A file to save, which the commands name: such as a certificate of this lease."""

    name = serializers.CharField()
    content = serializers.CharField()


class AccessShape(serializers.Serializer[Any]):
    """How to get in; for the project's members, once the device is ready."""

    opens_at = serializers.DateTimeField()
    instructions = serializers.CharField(allow_blank=True)
    endpoints = EndpointShape(many=True)
    files = AccessFileShape(many=True)


class EventShape(serializers.Serializer[Any]):
    """One move of a lease."""

    at = serializers.DateTimeField()
    actor = serializers.CharField(allow_blank=True, help_text="Empty: the portal itself.")
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    to = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)


class LeaseCan(serializers.Serializer[Any]):
    """What the caller may do with the lease now: mostly for operators of its site."""

    approve = serializers.BooleanField()
    reject = serializers.BooleanField()
    replace_files = serializers.BooleanField(help_text="For its holder, while it has not started.")
    retry = serializers.BooleanField()
    vouch = serializers.BooleanField()


class ReservationCan(serializers.Serializer[Any]):
    """What the caller may do with the reservation now."""

    cancel = serializers.BooleanField()
    extend = serializers.BooleanField()
    shorten = serializers.BooleanField()
    move = serializers.BooleanField()
    end = serializers.BooleanField()


class LeaseBrief(serializers.Serializer[Any]):
    """The hold of one resource, in short."""

    id = serializers.UUIDField()
    resource = serializers.UUIDField()
    resource_name = serializers.CharField()
    site = serializers.CharField()
    site_name = serializers.CharField()
    site_time_zone = serializers.CharField()
    kind = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.values)
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    preparation_begins_at = serializers.DateTimeField()
    prepared_at = serializers.DateTimeField(allow_null=True)
    opened_at = serializers.DateTimeField(allow_null=True)
    isolated_at = serializers.DateTimeField(allow_null=True)
    step = serializers.CharField(help_text="What happens now, in words.")
    trouble = serializers.CharField(allow_blank=True)
    can = LeaseCan()


class LeaseShape(LeaseBrief):
    """The hold of one resource, with its way in and its history."""

    epoch = serializers.IntegerField(allow_null=True)
    access = AccessShape(allow_null=True)
    proof = ProofShape(allow_null=True)
    adapter = serializers.CharField()
    parameters = serializers.DictField()
    files = LeaseFileShape(many=True, help_text="A line for each file that the device takes.")
    rehearsal = RehearsalShape(allow_null=True)
    warnings = serializers.ListField(
        child=serializers.CharField(), help_text="What will happen to things of the holder's own, in words."
    )
    events = EventShape(many=True)


class ReservationHead(serializers.Serializer[Any]):
    """What all answers say of a reservation."""

    id = serializers.UUIDField()
    project = serializers.CharField(help_text="Its slug.")
    project_name = serializers.CharField()
    holder = serializers.CharField()
    purpose = serializers.CharField(allow_blank=True)
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    version = serializers.IntegerField(help_text="Counts its changes.")
    series = serializers.UUIDField(allow_null=True, help_text="The series that it is an occurrence of.")
    phase = serializers.ChoiceField(choices=[phase.value for phase in Phase])
    can = ReservationCan()


class ReservationBrief(ReservationHead):
    """A reservation in a list."""

    leases = LeaseBrief(many=True)


class LinkEndShape(serializers.Serializer[Any]):
    """One end of a link; of a part, the port is its whole's."""

    lease = serializers.UUIDField()
    resource = serializers.UUIDField()
    resource_name = serializers.CharField()
    port = serializers.CharField()


class LinkShape(serializers.Serializer[Any]):
    """A cable between two of the reservation's devices."""

    ends = LinkEndShape(many=True, help_text="Two.")
    speed_gbps = serializers.FloatField(allow_null=True)
    vlan = serializers.IntegerField(
        allow_null=True, help_text="Allotted for the reservation; null: a bare cable."
    )


class ReservationShape(ReservationHead):
    """A reservation, with its leases, their ways in and their histories."""

    latest_end = serializers.DateTimeField(
        allow_null=True,
        help_text="How far it could be extended now; null: not at all, or, in the answer to a booking, not asked.",
    )
    latest_end_because = serializers.ChoiceField(
        choices=["taken", "limit"],
        allow_blank=True,
        help_text="What sets it: the next booking or maintenance, or what the site or the project allows.",
    )
    leases = LeaseShape(many=True)
    links = LinkShape(many=True)


class LeaseOfBrief(LeaseBrief):
    """A lease in a list, with whose it is."""

    reservation = serializers.UUIDField()
    project = serializers.CharField()
    holder = serializers.CharField()
    purpose = serializers.CharField(allow_blank=True)


class LeaseOf(LeaseShape):
    """A lease with whose it is."""

    reservation = serializers.UUIDField()
    project = serializers.CharField()
    holder = serializers.CharField()
    purpose = serializers.CharField(allow_blank=True)


class SlotDeviceShape(serializers.Serializer[Any]):
    """One device of a window that was found."""

    line = serializers.IntegerField(help_text="For which line of the wish, from 0.")
    resource = serializers.UUIDField()
    resource_name = serializers.CharField()
    kind = serializers.CharField()
    model = serializers.CharField(allow_blank=True)
    site = serializers.CharField()
    site_name = serializers.CharField()
    site_time_zone = serializers.CharField()
    credits_per_hour = serializers.FloatField(allow_null=True, help_text="Null: its site has set no price.")
    credits = serializers.FloatField(allow_null=True, help_text="For the whole window.")
    speed = serializers.FloatField(
        allow_null=True, help_text="Beside the model that counts as 1; null: unknown."
    )
    credits_for_work = serializers.FloatField(
        allow_null=True, help_text="For as much work as the model that counts as 1 does in an hour."
    )


class SlotShape(FreeWindow):
    """A window that was found, with what it costs and how quick its devices are."""

    devices = SlotDeviceShape(many=True)
    credits = serializers.FloatField(allow_null=True, help_text="In all; null where a price is unknown.")
    speed = serializers.FloatField(allow_null=True, help_text="Of all its devices together, as far as known.")


class RelaxationShape(serializers.Serializer[Any]):
    """What to give up; it was searched for, and `slot` is the first window."""

    change = serializers.CharField()
    words = serializers.CharField()
    wish = serializers.DictField(help_text="The weaker wish, to be searched for as it is.")
    slot = FreeWindow()


class SlotsShape(serializers.Serializer[Any]):
    """The windows that were found, or why there is none and what to give up."""

    slots = SlotShape(many=True)
    never = serializers.BooleanField(help_text="No window would ever work.")
    refusals = WishRefusalShape(many=True)
    hints = serializers.ListField(child=serializers.CharField(), help_text="Who could change that, and how.")
    relaxations = RelaxationShape(many=True)


class WarningShape(serializers.Serializer[Any]):
    """What a holder should know before booking."""

    resource = serializers.UUIDField()
    resource_name = serializers.CharField()
    message = serializers.CharField()


class WouldBook(serializers.Serializer[Any]):
    """What a booking would take now."""

    would_book = serializers.BooleanField()
    resources = serializers.ListField(child=serializers.UUIDField())
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    warnings = WarningShape(many=True)
