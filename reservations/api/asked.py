"""What can be asked for: the shapes of requests."""

import math
import re
from typing import Any

from rest_framework import serializers

from accounts.api.door import Moment
from reservations.models import Reservation
from reservations.policy import LONGEST_LEASE, MOST_RESOURCES, SHORTEST_LEASE
from reservations.services.asks import Ask
from scheduling.wiring import Ties, everything_of

_LEAST = re.compile(r"(?P<name>[a-z][a-z0-9]*(?:_[a-z0-9]+)*)_min")


class LeastValues(serializers.DictField):
    """Least values of numeric attributes: `{"memory_gib_min": 40}`."""

    child = serializers.FloatField()

    def to_internal_value(self, data: Any) -> dict[str, float]:
        """Return the least values by attribute."""
        found = {}
        for key, least in super().to_internal_value(data).items():
            match = _LEAST.fullmatch(key)
            if match is None or len(key) > 60:
                raise serializers.ValidationError(
                    {key[:60]: ["Write the attribute's name and _min, such as memory_gib_min."]}
                )
            if not math.isfinite(least):
                raise serializers.ValidationError({key: ["Give a number."]})
            found[match["name"]] = least
        return found


class AskedResource(serializers.Serializer[Any]):
    """A named resource, or so many of a kind."""

    resource = serializers.UUIDField(required=False, allow_null=True, help_text="Exactly this one.")
    kind = serializers.CharField(
        required=False, allow_blank=True, max_length=40, help_text="Or any of this kind: gpu, p4_switch …"
    )
    model = serializers.CharField(required=False, allow_blank=True, max_length=200)
    site = serializers.CharField(required=False, allow_blank=True, max_length=50, help_text="The site's slug.")
    count = serializers.IntegerField(required=False, min_value=1, max_value=MOST_RESOURCES)
    same_site_as = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MOST_RESOURCES,
        help_text="The place of another line, from 0: both are met at one site.",
    )
    attributes = LeastValues(required=False, help_text='Least values: {"memory_gib_min": 40}.')
    parameters = serializers.DictField(
        required=False, help_text="What the adapter lets one choose; its schema is under /adapters/."
    )
    artefacts = serializers.DictField(
        required=False, child=serializers.UUIDField(), help_text="Files by the name of their slot."
    )


class AskedResources(serializers.Serializer[Any]):
    """Which resources."""

    resources = AskedResource(  # type: ignore[call-arg]
        many=True,
        allow_empty=False,
        max_length=MOST_RESOURCES,
        error_messages={
            "empty": "Name at least one resource, or a kind of resource.",
            "max_length": f"One reservation can hold at most {MOST_RESOURCES} resources; make several.",
        },
    )
    connected = serializers.BooleanField(
        required=False,
        help_text="All of these have to be able to talk to each other: by a cable, or through a booked switch.",
    )
    links = serializers.ListField(
        required=False,
        max_length=MOST_RESOURCES,
        child=serializers.ListField(child=serializers.IntegerField(min_value=0), min_length=2, max_length=2),
        help_text="Or only these pairs of lines, counted from 0: [[0, 1], [1, 2]].",
    )


class AskedReservation(AskedResources):
    """A booking: one project, one window, any mix of resources, all or nothing."""

    project = serializers.CharField(max_length=50, help_text="The slug of one of your projects.")
    purpose = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=Reservation._meta.get_field("purpose").max_length,  # noqa: SLF001
        help_text="For those who share the project and for the sites' operators.",
    )
    starts_at = Moment(required=False, allow_null=True, help_text="Left out: now.")
    ends_at = Moment()


class AskedWish(AskedResources):
    """What is looked for: which resources, for how long, between when, and where."""

    duration_s = serializers.IntegerField(
        min_value=int(SHORTEST_LEASE.total_seconds()), max_value=int(LONGEST_LEASE.total_seconds())
    )
    earliest = Moment(required=False, allow_null=True, help_text="Left out: now.")
    latest = Moment(required=False, allow_null=True, help_text="By then it must be over. Left out: two weeks.")
    sites = serializers.ListField(
        required=False,
        max_length=100,
        child=serializers.SlugField(),
        help_text="Only at these; none: anywhere.",
    )
    barred_sites = serializers.ListField(
        required=False, max_length=100, child=serializers.SlugField(), help_text="Not at these."
    )


class AskedSlots(AskedWish):
    """A search for windows in which everything is free together."""

    limit = serializers.IntegerField(required=False, min_value=1, max_value=20, help_text="How many; 5.")
    sort = serializers.ChoiceField(
        required=False,
        choices=["earliest", "cheapest", "fastest"],
        help_text="Give the first window of each way that differs by site or model, ranked so, and not the first"
        " windows alone.",
    )


class AskedEnd(serializers.Serializer[Any]):
    """Another end."""

    ends_at = Moment()


class AskedWindow(serializers.Serializer[Any]):
    """Another window."""

    starts_at = Moment()
    ends_at = Moment()


class AskedReason(serializers.Serializer[Any]):
    """The words that are kept with the move."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=2000)


class AskedMaintenance(serializers.Serializer[Any]):
    """A time to keep a resource free of leases."""

    resource = serializers.UUIDField()
    starts_at = Moment()
    ends_at = Moment()
    reason = serializers.CharField(required=False, allow_blank=True, max_length=200)


class AskedFiles(serializers.Serializer[Any]):
    """Other files for a lease."""

    artefacts = serializers.DictField(
        child=serializers.UUIDField(),
        allow_empty=False,
        help_text="Files by the name of their slot; slots that are not named keep theirs.",
    )


class AskedBuild(serializers.Serializer[Any]):
    """Where source is to be made into files."""

    resource = serializers.UUIDField(help_text="The device that the files are for: its site compiles.")


class AskedArtefact(serializers.Serializer[Any]):
    """A file for a device, in a multipart form."""

    project = serializers.CharField(max_length=50, help_text="The slug of one of your projects.")
    adapter = serializers.CharField(max_length=60, help_text="Whose file: p4_switch …")
    name = serializers.CharField(max_length=60, help_text="The slot that it fills: p4info …, or source.")
    file = serializers.FileField(allow_empty_file=True, max_length=255)


def ties_of(asked: dict[str, Any]) -> Ties:
    """Return which lines have to be able to talk to each other."""
    if asked.get("connected"):
        return everything_of(len(asked["resources"]))
    return frozenset((one, other) for one, other in asked.get("links", ()))


def asks_of(lines: list[dict[str, Any]]) -> list[Ask]:
    """Return the lines as the services take them."""
    return [
        Ask(
            resource=line.get("resource"),
            kind=line.get("kind", ""),
            model=line.get("model", ""),
            site=line.get("site", ""),
            count=line.get("count", 1),
            same_site_as=line.get("same_site_as"),
            minimum=line.get("attributes", {}),
            parameters=line.get("parameters", {}),
            artefacts=line.get("artefacts", {}),
        )
        for line in lines
    ]
