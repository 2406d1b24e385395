"""Who has a card, or waits for it: LXD gives one card to two instances without a word, we never do."""

from collections.abc import Mapping, Sequence

from adapters.contract import LeaseOrder
from adapters.errors import DeviceBusy, InvalidSettings
from adapters.gpu_lxd.instance import Card, Instance
from adapters.gpu_lxd.settings import LxdSettings

CARDS = "user.shary.cards"
"""The cards that an instance of the holder's own waits for or has, as `card_tags` writes them."""


def card_tags(settings: LxdSettings) -> str:
    """Return the cards of a lease as they are written on an instance that they are lent to."""
    part = f"/{settings.mig_uuid}" if settings.mig_uuid else ""
    return " ".join(f"{pci}{part}" for pci in settings.wanted_cards)


def users_of(
    settings: LxdSettings, everyone: Sequence[Instance], known: Mapping[str, Card]
) -> tuple[Instance, ...]:
    """Return who has one of the cards: whoever runs, and whoever is kept for a lease."""
    return tuple(
        entry
        for entry in everyone
        if (entry.is_running and has_a_card(entry, settings, known))
        or (entry.lease and (has_a_card(entry, settings, known) or _waits_for_a_card(entry, settings)))
    )


def has_a_card(entry: Instance, settings: LxdSettings, known: Mapping[str, Card]) -> bool:
    """Say whether the devices of the instance name one of the cards."""
    return bool(entry.cards_held(settings.wanted_cards, known, settings.mig_uuid))


def rivalry(users: Sequence[Instance], settings: LxdSettings, known: Mapping[str, Card]) -> str:
    """Return the warning that several running instances have a card which is lent; empty when none is wrong."""
    running = [user for user in users if user.is_running and has_a_card(user, settings, known)]
    lent = next((user for user in running if user.lease), None)
    if lent is None or len(running) < 2:
        return ""
    others = ", ".join(user.label for user in running if user is not lent)
    return (
        f"The card is lent to {lent.label} for the lease {lent.lease}, but {others} runs with it as well. "
        f"Stop {others}, or take the card out of it."
    )


def refuse_rivals(rivals: Sequence[Instance], order: LeaseOrder) -> None:
    """Raise `DeviceBusy` when somebody else has a card of the lease."""
    for rival in rivals:
        whose = f"for the lease {rival.lease} of epoch {rival.epoch}" if rival.lease else "without SHARY"
        raise DeviceBusy(
            f"{order.target.name} is taken: instance {rival.label}, {rival.status.lower()}, "
            f"has the card {whose}."
        )


def refuse_missing_cards(settings: LxdSettings, known: Mapping[str, Card]) -> None:
    """Raise `InvalidSettings` when the host lacks a card of the lease."""
    for pci in settings.wanted_cards:
        if pci not in known:
            there = ", ".join(sorted(known)) or "none"
            raise InvalidSettings(f"The LXD host has no card at {pci}. It has: {there}.")
