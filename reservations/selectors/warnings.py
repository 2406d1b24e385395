"""What holders should hear of their leases before it happens, in the words of the adapters."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from adapters.catalogue import CATALOGUE
from adapters.contract import Json
from adapters.contract.description import nothing_to_warn_of
from reservations.models import Lease
from reservations.states import Status
from resources.models import Resource
from resources.selectors import settings_by_resource

AHEAD = frozenset({Status.REQUESTED, Status.SCHEDULED, Status.PROVISIONING, Status.ACTIVE})
"""Where something may still happen that was warned of."""


def warnings_of_leases(leases: Iterable[Lease]) -> dict[UUID, tuple[str, ...]]:
    """Return the warnings by lease; nothing is asked of the database where no adapter has anything to say."""
    ahead = [lease for lease in leases if lease.status in AHEAD]
    said = _warnings([(lease.resource, lease.parameters) for lease in ahead])
    return {lease.pk: words for lease, words in zip(ahead, said, strict=True) if words}


def warnings_of_choices(choices: Sequence[tuple[UUID, Json]]) -> list[tuple[Resource, str]]:
    """Return what there is to say of a booking that takes these resources with these parameters."""
    if not any(chosen for _, chosen in choices):
        return []
    known = Resource.objects.select_related("site").in_bulk([key for key, _ in choices])
    picks = [(known[key], chosen) for key, chosen in choices if key in known]
    said = _warnings(picks)
    return [(resource, words) for (resource, _), each in zip(picks, said, strict=True) for words in each]


def _warnings(picks: Sequence[tuple[Resource, Json]]) -> list[tuple[str, ...]]:
    talkative = [resource for resource, chosen in picks if chosen and _may_warn(resource)]
    settings = settings_by_resource(talkative) if talkative else {}
    return [
        CATALOGUE[resource.adapter].warn(settings[resource.pk], chosen)
        if chosen and resource.pk in settings
        else ()
        for resource, chosen in picks
    ]


def _may_warn(resource: Resource) -> bool:
    description = CATALOGUE.get(resource.adapter)
    return description is not None and description.warn is not nothing_to_warn_of
