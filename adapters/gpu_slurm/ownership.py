"""Whose a reservation is: this lease's, another lease's, or nobody's of ours."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.contract import LeaseOrder, Target
from adapters.errors import DeviceBusy, DeviceRefused
from adapters.gpu_slurm.client import Slurm
from adapters.gpu_slurm.marks import Mark, digest_of, key_of, mark_of, pretends
from adapters.gpu_slurm.nouns import Reservation, Wish
from adapters.gpu_slurm.settings import SlurmSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How things stand for a lease at this moment."""

    mine: Reservation | None
    rivals: tuple[Reservation, ...]


def look(slurm: Slurm, settings: SlurmSettings, order: LeaseOrder, wish: Wish) -> Standing:
    """Return how things stand; raise when the lease's reservation is not as it should be."""
    everyone = slurm.reservations()
    mine = reservation_of(everyone, order)
    if mine is not None:
        _refuse_another_shape(mine, wish)
    return Standing(mine=mine, rivals=rivals_of(everyone, settings, order))


def reservation_of(everyone: Sequence[Reservation], order: LeaseOrder) -> Reservation | None:
    """Return the lease's reservation; raise when its name is taken, or it is of a later epoch."""
    for found in everyone:
        if pretends(found, order.lease_id):
            raise DeviceRefused(
                f"A reservation called {found.name} is there, but does not carry the mark of this lease. "
                "It is left alone; its owner has to rename or delete it."
            )
    mine = next(
        (found for found in everyone if (mark := mark_of(found)) and mark.lease == order.lease_id), None
    )
    if mine is not None and epoch_of(mine) > order.epoch:
        raise DeviceBusy(
            f"Reservation {mine.name} is of epoch {epoch_of(mine)}; this order, {order.epoch}, is stale."
        )
    return mine


def epoch_of(reservation: Reservation) -> int:
    """Return the epoch of a reservation of ours."""
    mark = mark_of(reservation)
    return mark.epoch if mark else 0


def _refuse_another_shape(mine: Reservation, wish: Wish) -> None:
    mark = mark_of(mine)
    same = set(mine.nodes) == set(wish.nodes) if wish.nodes else wish.licence in mine.licences
    if not same or (mark is not None and mark.digest and mark.digest != digest_of(wish)):
        there = ", ".join(mine.nodes) or mine.licences
        raise DeviceRefused(
            f"Reservation {mine.name} is of {there}, and should be of {', '.join(wish.nodes) or wish.licence}. "
            "The settings were changed during the lease, or somebody changed the reservation; end the lease."
        )


def rivals_of(
    everyone: Sequence[Reservation], settings: SlurmSettings, order: LeaseOrder
) -> tuple[Reservation, ...]:
    """Return the reservations of other leases that are on what this lease wants."""
    return tuple(
        found
        for found in everyone
        if (mark := mark_of(found))
        and mark.lease != order.lease_id
        and concerns(found, mark, settings, order.target)
    )


def concerns(found: Reservation, mark: Mark, settings: SlurmSettings, target: Target) -> bool:
    """Say whether a reservation of ours takes the target, or something of it, or all around it."""
    if mark.resource == key_of(target.resource_id):
        return True
    return bool(set(found.nodes) & set(settings.nodes)) and (settings.way == "nodes" or mark.is_whole)


def busy_with(rival: Reservation, order: LeaseOrder) -> DeviceBusy:
    """Return the error that says who has it."""
    mark = mark_of(rival)
    whose = f"for the lease {mark.lease} of epoch {mark.epoch}" if mark else "without SHARY"
    return DeviceBusy(f"{order.target.name} is taken: reservation {rival.name} has it {whose}.")


def refuse_rivals(now: Standing, order: LeaseOrder) -> None:
    """Raise when another lease has what this one wants."""
    if now.rivals:
        raise busy_with(now.rivals[0], order)
