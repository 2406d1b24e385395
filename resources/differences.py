"""What a site found, compared with the inventory: plain values in, lines for an operator out.

A line is known again by its fingerprint: the same finding tomorrow has the same one, and anything
that changed has another. So a line that was ignored stays ignored until it says something else.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from adapters.contract import FoundDevice
from resources.recognition import Known, Match, identities, same_value, sort_out

Kind = Literal["new", "missing", "moved", "changed"]
MOVED_BY = frozenset({"pci"})
"""Fields that say where a device is plugged in."""
WEIGHTY = frozenset({"baseline", "baselines"})
"""Fields that are decided about alone, also when they were not known before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field: what the inventory says, and what was found."""

    place: Literal["serial", "attributes", "settings"]
    name: str
    old: Any
    new: Any

    @property
    def is_new(self) -> bool:
        """Whether nothing was known of it."""
        return self.old in (None, "", [], ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that an operator can accept or ignore."""

    kind: Kind
    device: str
    """What it is about, for people: a name of the inventory, or the name that was found."""
    device_kind: str
    resource: str = ""
    """The id in the inventory; empty for what is new."""
    whole: str = ""
    """For a new part: the id of its whole in the inventory, if that is there."""
    under: str = ""
    """For a new part of something new: the fingerprint of the line of its whole."""
    replaces: str = ""
    """For what is new: the id of what it was until now, which has another whole and cannot be moved."""
    group: str = ""
    """The name of the outermost device, under which lines are shown together."""
    depth: int = 0
    changes: tuple[Change, ...] = ()
    found: FoundDevice | None = field(default=None, compare=False)
    """For what is new: the device as it was found."""

    @property
    def is_learned(self) -> bool:
        """Whether it only adds what was not known, and contradicts nothing."""
        return bool(self.changes) and all(change.is_new for change in self.changes)

    @property
    def fingerprint(self) -> str:
        """Return by what the line is known again: SHA-256 over what it says."""
        said = [
            self.kind,
            self.resource or [self.device_kind, identity_of(self)],
            self.whole,
            self.under,
            self.replaces,
            [[change.place, change.name, change.new] for change in self.changes],
        ]
        text = json.dumps(said, sort_keys=True, ensure_ascii=False, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def identity_of(line: Line) -> str:
    """Return what tells a new device from another one that is new."""
    if line.found is None:
        return line.device
    return line.found.serial or str(line.found.settings.get("pci") or "") or line.found.name


def differences(
    found: Sequence[FoundDevice], known: Sequence[Known], *, asked: str = "", others: Sequence[Known] = ()
) -> tuple[Line, ...]:
    """Return what differs, in the order of the tree.

    `known` are the devices that could be behind the settings that were asked about, with their parts;
    `asked` is the one that was asked about, of which what was not found is missing. `others` are the rest
    of the site's devices: one of them may turn up here, having changed its whole.
    """
    sorted_out = sort_out(found, known, asked=asked, others=others)
    return tuple(line for match in sorted_out for line in _lines(match, group="", whole="", under="", depth=0))


def _lines(match: Match, *, group: str, whole: str, under: str, depth: int) -> Iterator[Line]:
    if match.known is None:
        yield from _new(match, group=group, whole=whole, under=under, depth=depth)
    elif match.found is None:
        group = group or match.known.name
        if match.known.in_service:
            yield Line(
                kind="missing",
                device=match.known.name,
                device_kind=match.known.kind,
                resource=match.known.id,
                group=group,
                depth=depth,
            )
    else:
        group = group or match.known.name
        yield from _changed(match.known, match.found, group=group, depth=depth)
        for part in match.parts:
            yield from _lines(part, group=group, whole=match.known.id, under="", depth=depth + 1)


def _new(match: Match, *, group: str, whole: str, under: str, depth: int) -> Iterator[Line]:
    assert match.found is not None  # noqa: S101  # a match has at least one of the two
    line = Line(
        kind="new",
        device=match.found.name,
        device_kind=match.found.kind,
        whole=whole,
        under=under,
        replaces=match.replaces.id if match.replaces else "",
        group=group or match.found.name,
        depth=depth,
        found=match.found,
    )
    yield line
    for part in match.parts:
        yield from _lines(part, group=line.group, whole="", under=line.fingerprint, depth=depth + 1)


def _changed(known: Known, found: FoundDevice, *, group: str, depth: int) -> Iterator[Line]:
    changes = list(_changes(known, found))
    moved = tuple(change for change in changes if change.name in MOVED_BY)
    same = {
        "device": known.name,
        "device_kind": known.kind,
        "resource": known.id,
        "group": group,
        "depth": depth,
    }
    rest = [change for change in changes if change not in moved]
    if moved and all(change.is_new for change in moved):
        moved, rest = (), changes
    learned = tuple(change for change in rest if change.is_new and change.name not in WEIGHTY)
    if moved:
        yield Line(kind="moved", changes=moved, **same)  # type: ignore[arg-type]
    if learned:
        yield Line(kind="changed", changes=learned, **same)  # type: ignore[arg-type]
    for change in rest:
        if change not in learned:
            yield Line(kind="changed", changes=(change,), **same)  # type: ignore[arg-type]


def _changes(known: Known, found: FoundDevice) -> Iterator[Change]:
    # An adapter that does not see the serial number today may say the UUID, which is listed beside it.
    if found.serial and found.serial not in identities(known):
        yield Change(place="serial", name="serial", old=known.serial, new=found.serial)
    yield from _of_place("attributes", known.attributes, found.attributes, found)
    yield from _of_place("settings", known.all_settings, found.settings, found)


def _of_place(
    place: Literal["attributes", "settings"],
    known: Mapping[str, Any],
    found: Mapping[str, Any],
    device: FoundDevice,
) -> Iterator[Change]:
    for name, new in found.items():
        # What was not seen is unknown, and unknown is not absent.
        if new is None or new == "" or same_value(name, known.get(name), new):
            continue
        if name == "model" and known.get(name) and not device.serial:
            continue  # a device without a serial number is called what its operator calls it
        yield Change(place=place, name=name, old=known.get(name), new=new)
