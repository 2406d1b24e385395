"""How things stand on the server for one lease: its instance, who else has the cards, which cards there are."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.contract import LeaseOrder
from adapters.errors import DeviceBusy, DeviceRefused, InvalidSettings, OutcomeUnknown
from adapters.gpu_lxd.client import LxdClient
from adapters.gpu_lxd.instance import Card, Instance, name_for
from adapters.gpu_lxd.rivals import has_a_card, waits_for_a_card
from adapters.gpu_lxd.settings import LxdSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How things stand for a lease at this moment."""

    mine: Instance | None
    rivals: tuple[Instance, ...]
    everyone: tuple[Instance, ...]
    cards: dict[str, Card]


def look(client: LxdClient, settings: LxdSettings, order: LeaseOrder, *, with_cards: bool = True) -> Standing:
    """Return how things stand for the lease; the cards of the host only where they are needed.

    LXD asks the whole hardware of its machine for them.
    """
    if not settings.wanted_cards:
        raise InvalidSettings(
            f"{order.target.name} has no cards: give “pci” for one card, or “cards” for a whole host."
        )
    everyone, name = client.instances(), name_for(order)
    known = client.cards() if with_cards or any(entry.names_cards_loosely for entry in everyone) else {}

    def is_mine(entry: Instance) -> bool:
        return entry.name == name and entry.project in (settings.project, *settings.pool)

    mine = next((entry for entry in everyone if is_mine(entry)), None)
    rivals = tuple(entry for entry in users_of(settings, everyone, known) if not is_mine(entry))
    return Standing(mine=mine_of(mine, order), rivals=rivals, everyone=everyone, cards=known)


def users_of(
    settings: LxdSettings, everyone: Sequence[Instance], known: dict[str, Card]
) -> tuple[Instance, ...]:
    """Return who has one of the cards: whoever runs, and whoever is kept for a lease."""
    return tuple(
        entry
        for entry in everyone
        if ((entry.is_running or entry.lease) and has_a_card(entry, settings, known))
        or waits_for_a_card(entry, settings)
    )


def mine_of(found: Instance | None, order: LeaseOrder) -> Instance | None:
    """Return the instance if it is this lease's; raise when it is not, or of a later epoch."""
    if found is None:
        return None
    if found.lease != order.lease_id:
        raise DeviceRefused(
            f"An instance called {found.label} is there, but does not carry the tags of this lease. "
            "It is left alone; its owner has to rename or delete it."
        )
    if found.epoch is not None and found.epoch > order.epoch:
        raise DeviceBusy(
            f"Instance {found.label} is of epoch {found.epoch}; this order, {order.epoch}, is stale."
        )
    return found


def mine_or_unknown(client: LxdClient, order: LeaseOrder, settings: LxdSettings) -> Instance:
    """Return the instance that LXD says it made; raise when it does not show it."""
    mine = mine_of(client.instance(name_for(order)), order)
    if mine is None:
        raise OutcomeUnknown(
            f"LXD says that it made {settings.project}/{name_for(order)}, but does not show it."
        )
    return mine


def refuse_rivals(rivals: Sequence[Instance], order: LeaseOrder) -> None:
    """Raise when somebody else has a card."""
    for rival in rivals:
        whose = f"for the lease {rival.lease} of epoch {rival.epoch}" if rival.lease else "without SHARY"
        raise DeviceBusy(
            f"{order.target.name} is taken: instance {rival.label}, {rival.status.lower()}, "
            f"has the card {whose}."
        )


def refuse_missing_cards(settings: LxdSettings, known: dict[str, Card]) -> None:
    """Raise when the host does not have a card that the lease needs."""
    for pci in settings.wanted_cards:
        if pci not in known:
            there = ", ".join(sorted(known)) or "none"
            raise InvalidSettings(f"The LXD host has no card at {pci}. It has: {there}.")
