"""Which device that was found is which of the inventory: by serial number, then by place, then by name."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.contract import FoundDevice
from adapters.pci import normal_form

_UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)

MEMORY_TOLERANCE = 0.1
"""A card of 48 GB has less to use: the operator's round figure is not wrong for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A device of the inventory, with its parts."""

    id: str
    name: str
    kind: str
    adapter: str = ""
    serial: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    all_settings: Mapping[str, Any] = field(default_factory=dict)
    """Its own over those of its wholes."""
    in_service: bool = True
    parts: tuple["Known", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Something that was found, something that is known, or both; with what it consists of."""

    found: FoundDevice | None = None
    known: Known | None = None
    replaces: Known | None = None
    """What was found is known as a part of something else."""
    parts: tuple["Match", ...] = ()


def sort_out(
    found: Sequence[FoundDevice], known: Sequence[Known], *, asked: str = "", others: Sequence[Known] = ()
) -> tuple[Match, ...]:
    """Return which is which, and what has no counterpart."""
    found = _asked_inside(found, known, asked) or found
    matches, left = _pair(found, known, place_of_whole="")
    alone = [device for device, match in zip(found, matches, strict=True) if match is None]
    question = next((each for each in left if each.id == asked), None)
    if question is not None and len(found) == 1 and alone and _can_be(alone[0], question):
        # One answer to one question: it is what was asked about, whatever it is called.
        matches[0], left = question, [each for each in left if each.id != asked]
        question = None
    elsewhere = {name: one for each in [*others, *left] for one in _all(each) for name in identities(one)}
    placed = [_match(device, match, elsewhere=elsewhere) for device, match in zip(found, matches, strict=True)]
    if question is not None:
        placed.append(Match(known=question))
    return tuple(placed)


def same_value(name: str, old: Any, new: Any) -> bool:
    """Whether two values of a field say the same, however they are written."""
    if old == new:
        return True
    if old is None:
        return False
    if name == "model":
        one, other = str(old).casefold(), str(new).casefold()
        return one in other or other in one
    if name.endswith("_gib") and isinstance(old, int | float) and isinstance(new, int | float):
        return abs(old - new) <= MEMORY_TOLERANCE * max(abs(old), abs(new))
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return sorted(map(_plain, old), key=str) == sorted(map(_plain, new), key=str)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = {key for key in {*old, *new} if old.get(key) is not None or new.get(key) is not None}
        return all(same_value(key, old.get(key), new.get(key)) for key in keys)
    return bool(_plain(old) == _plain(new))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return normal_form(value)
        except ValueError:
            return value
    return value


def _asked_inside(
    found: Sequence[FoundDevice], known: Sequence[Known], asked: str
) -> Sequence[FoundDevice] | None:
    """Return the part that was asked about, when its whole answered though that is not in the inventory."""
    question = next((each for each in known if each.id == asked), None)
    if question is None or any(device.kind == question.kind for device in found):
        return None
    for device in found:
        for part in _parts_of(device):
            if part.kind == question.kind and _is_same(part, question, place_of_whole=""):
                return [part]
    return None


def _parts_of(device: FoundDevice) -> Iterator[FoundDevice]:
    for part in device.parts:
        yield part
        yield from _parts_of(part)


def _match(device: FoundDevice, known: Known | None, *, elsewhere: Mapping[str, Known]) -> Match:
    place = _place(device.settings, device.attributes, place_of_whole="")
    if known is None:
        replaced = next((elsewhere[name] for name in _names_of(device) if name in elsewhere), None)
        parts = tuple(_match(part, None, elsewhere=elsewhere) for part in device.parts)
        return Match(found=device, replaces=replaced, parts=parts)
    matches, left = _pair(device.parts, known.parts, place_of_whole=place)
    parts = tuple(
        _match(part, match, elsewhere=elsewhere) for part, match in zip(device.parts, matches, strict=True)
    )
    if device.parts or place == "" or "baseline" in device.settings:
        # A part that nobody looked into closely says nothing of what it is cut into.
        parts += tuple(Match(known=each) for each in left)
    return Match(found=device, known=known, parts=parts)


def _pair(
    found: Sequence[FoundDevice], known: Sequence[Known], *, place_of_whole: str
) -> tuple[list[Known | None], list[Known]]:
    """Return the counterpart of each that was found, and the known ones that have none."""
    matches: list[Known | None] = [None] * len(found)
    left = sorted(known, key=lambda each: not each.in_service)
    for is_it in (_shares_identity, _shares_place, _shares_name):
        for number, device in enumerate(found):
            if matches[number] is not None:
                continue
            match = next(
                (
                    each
                    for each in left
                    if _can_be(device, each) and is_it(device, each, place_of_whole=place_of_whole)
                ),
                None,
            )
            if match is not None:
                matches[number] = match
                left.remove(match)
    return matches, left


def _is_same(device: FoundDevice, known: Known, *, place_of_whole: str) -> bool:
    return _can_be(device, known) and (
        _shares_identity(device, known, place_of_whole=place_of_whole)
        or _shares_place(device, known, place_of_whole=place_of_whole)
    )


def _can_be(device: FoundDevice, known: Known) -> bool:
    """Whether nothing speaks against it: the kind, or two serial numbers or two UUIDs that differ."""
    if device.kind != known.kind:
        return False
    here = _numbers(_identity(device.serial, device.attributes, device.settings))
    there = _numbers(_identity(known.serial, known.attributes, known.all_settings))
    return not any(here[sort] and there[sort] and not here[sort] & there[sort] for sort in (0, 1))


def _numbers(names: Iterable[str]) -> tuple[set[str], set[str]]:
    """Return the UUIDs and the serial numbers: one says nothing about the other."""
    names = set(names)
    uuids = {name for name in names if _UUID.search(name)}
    return uuids, names - uuids


def _shares_identity(device: FoundDevice, known: Known, *, place_of_whole: str) -> bool:
    return bool({*_names_of(device)} & {*identities(known)})


def _shares_place(device: FoundDevice, known: Known, *, place_of_whole: str) -> bool:
    place = _place(device.settings, device.attributes, place_of_whole=place_of_whole)
    return place != "" and place == _place(known.all_settings, known.attributes, place_of_whole=place_of_whole)


def _shares_name(device: FoundDevice, known: Known, *, place_of_whole: str) -> bool:
    return device.name == known.name


def _names_of(device: FoundDevice) -> Iterable[str]:
    return _identity(device.serial, device.attributes, device.settings)


def identities(known: Known) -> list[str]:
    """Return the serial numbers and UUIDs that the device is listed under."""
    return _identity(known.serial, known.attributes, known.all_settings)


def _identity(serial: str, attributes: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    said = (serial, attributes.get("uuid"), settings.get("mig_uuid"))
    return [str(name) for name in dict.fromkeys(said) if name]


def _place(settings: Mapping[str, Any], attributes: Mapping[str, Any], *, place_of_whole: str) -> str:
    """Return where it is plugged in; nothing for a slice, which is where its card is."""
    said = settings.get("pci") or attributes.get("pci")
    place = str(_plain(str(said))) if said else ""
    return "" if place == place_of_whole else place


def _all(known: Known) -> Iterator[Known]:
    yield known
    for part in known.parts:
        yield from _all(part)
