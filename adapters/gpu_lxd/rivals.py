"""Cards that a lease keeps before it has them, and cards that somebody else took as well."""

from collections.abc import Mapping, Sequence

from adapters.gpu_lxd.instance import Card, Instance
from adapters.gpu_lxd.settings import LxdSettings

CARDS = "user.shary.cards"
"""The cards that are lent to an instance of the holder's own, also while it does not have them yet."""


def cards_tag(settings: LxdSettings) -> str:
    """Return the cards of a lease as they are written on an instance of the holder's own."""
    part = f"/{settings.mig_uuid}" if settings.mig_uuid else ""
    return " ".join(f"{pci}{part}" for pci in settings.wanted_cards)


def has_a_card(entry: Instance, settings: LxdSettings, known: Mapping[str, Card]) -> bool:
    """Say whether the devices of the instance name one of the cards."""
    return bool(entry.cards_held(settings.wanted_cards, known, settings.mig_uuid))


def waits_for_a_card(entry: Instance, settings: LxdSettings) -> bool:
    """Say whether one of the cards is kept for the instance by the lease in its tags."""
    for word in entry.config.get(CARDS, "").split() if entry.lease else ():
        pci, _, part = word.partition("/")
        if pci in settings.wanted_cards and (not part or settings.mig_uuid in (None, part)):
            return True
    return False


def use_in_words(user: Instance, settings: LxdSettings, known: Mapping[str, Card]) -> str:
    """Return how it is with the card, for people."""
    how = "has the card" if has_a_card(user, settings, known) else f"waits for the card of lease {user.lease}"
    return f"Instance {user.label} is {user.status.lower()} and {how}."


def rivalry(users: Sequence[Instance], settings: LxdSettings, known: Mapping[str, Card]) -> str:
    """Return a warning when more than one running instance has a card that is lent; else nothing."""
    running = [user for user in users if user.is_running and has_a_card(user, settings, known)]
    lent = next((user for user in running if user.lease), None)
    others = ", ".join(user.label for user in running if user is not lent)
    if lent is None or not others:
        return ""
    return (
        f"The card is lent to {lent.label} for the lease {lent.lease}, but {others} runs with it as well: "
        f"LXD gives a card twice without a word. Stop {others}, or take the card out of it."
    )
