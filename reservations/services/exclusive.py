"""Choices that one lease at a time can have, such as a holder's own machine that a device is lent to."""

from collections.abc import Iterable
from uuid import UUID

from adapters.catalogue import CATALOGUE
from adapters.contract import Json
from reservations.errors import Invalid
from reservations.models import Lease
from reservations.services.windows import BookedWindow
from reservations.states import HOLDING
from reservations.words import say_moment
from resources.models import Resource


def refuse_shared_choices(
    picks: Iterable[tuple[int, Json, Resource]],
    window: BookedWindow,
    *,
    zone: str,
    ignoring: UUID | None = None,
) -> None:
    """Raise `Invalid` where a choice would be in two leases at once: of this booking, or of an earlier one.

    The site refuses the second one too, at its start; here it is refused kindly.
    """
    errors: dict[str, list[str]] = {}
    seen: set[tuple[object, ...]] = set()
    for place, chosen, resource in picks:
        description = CATALOGUE.get(resource.adapter)
        for name in description.exclusive if chosen and description else ():
            value = chosen.get(name)
            if not value:
                continue
            choice = (resource.site_id, resource.adapter, name, value)
            if choice in seen:
                words = "choose one device for it, or a host with all of its devices"
            elif other := _holding(resource, name, value, window, ignoring):
                until = say_moment(other.ends_at, zone)
                words = f"it has {other.resource} until {until}; choose a window that does not meet that one"
            else:
                seen.add(choice)
                continue
            errors[f"resources.{place}.parameters.{name}"] = [
                f"“{value}” can have one lease at a time: {words}."
            ]
    if errors:
        raise Invalid(errors)


def _holding(
    resource: Resource, name: str, value: object, window: BookedWindow, ignoring: UUID | None
) -> Lease | None:
    holding = Lease.objects.select_related("resource__site").filter(
        resource__site=resource.site_id,
        resource__adapter=resource.adapter,
        status__in=HOLDING,
        starts_at__lt=window.ends_at,
        ends_at__gt=window.starts_at,
        parameters__contains={name: value},
    )
    return holding.exclude(reservation=ignoring).order_by("-ends_at").first()
