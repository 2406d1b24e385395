"""What lines and new devices are called by people."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from adapters.contract import FoundDevice
from resources.differences import Change, Line
from resources.models import Resource

_NO_NAME = re.compile(
    r"^([0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$|^(GPU|MIG)-|^[0-9a-f-]{32,}$", re.IGNORECASE
)
_MAKERS = re.compile(r"^(NVIDIA|AMD|Intel|Xilinx)\s+", re.IGNORECASE)
_PROFILE = re.compile(r"MIG (\S+)$")

KIND_WORDS = {
    "gpu": "GPU",
    "gpu_host": "GPU host",
    "gpu_slice": "GPU slice",
    "p4_switch": "P4 switch",
    "smart_nic": "Smart NIC",
    "smart_nic_vf": "Virtual function",
}
UNITS = {"w": "W", "mhz": "MHz", "gib": "GiB", "mib": "MiB", "gbps": "Gbit/s", "s": "s"}
SHORT = frozenset({"ecc", "mig", "pci", "nvml", "cuda", "bmc", "ssh", "uuid"})

FIELD_WORDS = {
    "pci": "PCI address",
    "uuid": "UUID",
    "mig_uuid": "MIG slice",
    "serial": "Serial number",
    "baseline": "State between leases",
    "baselines": "States between leases",
    "settings.cards": "Cards that it lends",
    "attributes.cards": "Number of cards",
    "model": "Model",
    "vbios": "VBIOS",
}


def propose_name(found: FoundDevice, whole: Resource | None, taken: Collection[str]) -> str:
    """Return a name for a new device that nobody has yet: its own, or its model with a number."""
    if not _NO_NAME.search(found.name) and found.name != found.serial:
        if found.name not in taken:
            return found.name[:100]
        stem = found.name
    else:
        profile = _PROFILE.search(found.model)
        model = _MAKERS.sub("", found.model) or found.kind.replace("_", " ")
        stem = f"{whole.name} {profile[1]}" if profile and whole else model
    stem = stem[:90]
    return next(name for number in range(1, 10_000) if (name := f"{stem} {number}") not in taken)


def field_words(name: str, place: str = "") -> str:
    """Return what a field is called, where it stands."""
    said = FIELD_WORDS.get(f"{place}.{name}") or FIELD_WORDS.get(name)
    if said:
        return said
    words = [word.upper() if word in SHORT else word for word in name.split("_")]
    unit = UNITS.get(words[-1]) if len(words) > 1 else None
    plain = " ".join(words[:-1]) + f" ({unit})" if unit else " ".join(words)
    return plain[:1].upper() + plain[1:]


def kind_words(kind: str) -> str:
    """Return what a kind of device is called."""
    return KIND_WORDS.get(kind, kind.replace("_", " "))


def value_words(value: Any) -> str:
    """Return a value as people read it."""
    if value is None or value == "" or value == [] or value == ():
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(value_words(each) for each in value)
    if isinstance(value, Mapping):
        said = {name: each for name, each in value.items() if each is not None and each != {}}
        return "; ".join(f"{field_words(name)}: {value_words(each)}" for name, each in said.items())
    return str(value)


def words_of(line: Line) -> str:
    """Return what a line says, in a sentence."""
    match line.kind:
        case "new":
            found = line.found
            what = "part" if line.whole or line.under else "device"
            model = f", {found.model}" if found and found.model else ""
            serial = f", serial {found.serial}" if found and found.serial else ""
            return f"New {what}: {line.device}{model}{serial}."
        case "missing":
            return f"{line.device} was not seen this time."
        case "moved":
            (old, new), *_ = [(change.old, change.new) for change in line.changes if change.old]
            return f"{line.device} has moved from {old} to {new}."
        case "changed":
            return " ".join(f"{line.device}: {change_words(change)}." for change in line.changes)


def change_words(change: Change) -> str:
    """Return a change of one field in words."""
    if change.is_new:
        return f"{field_words(change.name, change.place)} is now known: {value_words(change.new)}"
    return (
        f"{field_words(change.name, change.place)} was {value_words(change.old)}, is {value_words(change.new)}"
    )


def value_rows(changes: Sequence[Change]) -> list[tuple[str, str, str]]:
    """Return (field, old, new) for each thing that differs, one level into what is composed.

    Fields that say the same stand in one row, and what was not known has no old value.
    """
    rows: dict[tuple[str, str], list[str]] = {}
    for change in changes:
        for name, old, new in _rows_of(change):
            names = rows.setdefault((old, new), [])
            if name not in names:
                names.append(name)
    return [(", ".join(names), old, new) for (old, new), names in rows.items()]


def _rows_of(change: Change) -> list[tuple[str, str, str]]:
    if isinstance(change.new, Mapping) and isinstance(change.old, Mapping):
        return [
            (f"{field_words(change.name, change.place)}: {field_words(name)}", old, new)
            for name in {**change.old, **change.new}
            if (old := value_words(change.old.get(name))) != (new := value_words(change.new.get(name)))
        ]
    old = "" if change.is_new else value_words(change.old)
    return [(field_words(change.name, change.place), old, value_words(change.new))]
