"""The profiles by which FIGO attaches cards: `gpu-1-21000` for machines, `gpu-1-21000-cnt` for containers.

FIGO counts a card as in use when a running instance of the project has its profile. A lease that
attaches the card by the same profile is therefore seen by it, and one by a device of our own is not.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from adapters.pci import normal_form

_NAME = re.compile(r"gpu-[A-Za-z0-9._-]+")


def profile_for(pci: str, profiles: Iterable[Mapping[str, Any]], instance_type: str) -> str | None:
    """Return the name of the profile that gives exactly this card to an instance of the type."""
    wanted_end = instance_type == "container"
    return next(
        (
            str(profile["name"])
            for profile in profiles
            if profile["name"].endswith("-cnt") == wanted_end and _card_of(profile) == pci
        ),
        None,
    )


def profiles_of(cards: Iterable[str], profiles: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the names of all profiles that give one of the cards, to whatever type of instance."""
    cards = set(cards)
    return frozenset(str(profile["name"]) for profile in profiles if _card_of(profile) in cards)


def _card_of(profile: Mapping[str, Any]) -> str | None:
    """Return the one card that the profile gives; None for any other profile."""
    if not _NAME.fullmatch(str(profile["name"])):
        return None
    devices = [device for device in (profile.get("devices") or {}).values() if device.get("type") == "gpu"]
    if len(devices) != 1 or devices[0].get("gputype", "physical") != "physical":
        return None
    try:
        return normal_form(devices[0].get("pci", ""))
    except ValueError:
        return None
