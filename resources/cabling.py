"""A site's cables as text, one on a line: “Tofino 1 1/0 — Host L40S eth2, 100G”; or as CSV, for a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from uuid import UUID

from resources.models import Cable, Resource

CSV_HEAD = ("device", "port", "other device", "other port", "gbps")
LONGEST_PORT = 60
_DASH = re.compile(r"\s*(?:—|–|↔|<->|--+)\s*|\s+-\s+")
_SPEED = re.compile(r"(?P<number>\d+(?:[.,]\d+)?)\s*(?P<unit>[TGM]?)(?:b(?:it)?(?:/s|ps)?)?", re.IGNORECASE)
_GBPS = {"T": 1000.0, "G": 1.0, "M": 0.001, "": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a cable."""

    resource_id: UUID
    name: str
    port: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A cable as a line describes it."""

    a: End
    b: End
    speed_gbps: float | None
    between_sites: bool = False

    @property
    def ends(self) -> frozenset[tuple[UUID, str]]:
        """What makes it the same cable, whichever way round it was written."""
        return frozenset((end.resource_id, end.port) for end in (self.a, self.b))

    def __str__(self) -> str:
        speed = f", {say_speed(self.speed_gbps)}" if self.speed_gbps else ""
        return f"{self.a.name} {self.a.port} — {self.b.name} {self.b.port}{speed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line that cannot be read, and what would help."""

    number: int
    text: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What was read."""

    wires: tuple[Wire, ...]
    problems: tuple[BadLine, ...]


def say_speed(gbps: float) -> str:
    """Return a speed as the text has it: 100G, 2.5G."""
    return f"{gbps:g}G"


def read_description(text: str, *, site: str, devices: Mapping[str, Resource]) -> Description:
    """Read the text; `devices` are those that may be named, by name and by “Site · name”."""
    wires: list[Wire] = []
    problems: list[BadLine] = []
    used: dict[tuple[UUID, str], int] = {}
    for number, line, fields in _lines(text):
        try:
            wire = _wire(fields, site=site, devices=devices)
            for end in (wire.a, wire.b):
                first = used.setdefault((end.resource_id, end.port), number)
                if first != number:
                    raise ValueError(
                        f"{end.name} {end.port} has a cable in line {first} already; a port takes one."
                    )
        except ValueError as error:
            problems.append(BadLine(number=number, text=line, message=str(error)))
        else:
            wires.append(wire)
    return Description(wires=tuple(wires), problems=tuple(problems))


def write_text(wires: Iterable[Wire]) -> str:
    """Return the cables as `read_description` reads them."""
    return "".join(f"{wire}\n" for wire in wires)


def write_csv(wires: Iterable[Wire]) -> str:
    """Return the cables as a spreadsheet takes them; `read_description` reads this too."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(CSV_HEAD)
    for wire in wires:
        speed = f"{wire.speed_gbps:g}" if wire.speed_gbps else ""
        rows.writerow([wire.a.name, wire.a.port, wire.b.name, wire.b.port, speed])
    return out.getvalue()


def wire_of(cable: Cable, *, site_id: int) -> Wire:
    """Return a cable as a line of its site's text; devices of other sites are named with their site."""

    def end(resource: Resource, port: str) -> End:
        name = resource.name if resource.site_id == site_id else str(resource)
        return End(resource_id=resource.pk, name=name, port=port)

    return Wire(
        a=end(cable.a, cable.a_port),
        b=end(cable.b, cable.b_port),
        speed_gbps=cable.speed_gbps,
        between_sites=cable.between_sites,
    )


def _lines(text: str) -> Iterable[tuple[int, str, Sequence[str] | str]]:
    rows = text.splitlines()
    first = next((row for row in rows if row.strip()), "")
    as_csv = next(csv.reader([first]), [])
    is_csv = [word.strip().casefold() for word in as_csv] == list(CSV_HEAD)
    for number, row in enumerate(rows, 1):
        line = row.strip()
        if not line or line.startswith("#") or (is_csv and row == first):
            continue
        yield number, line, (next(csv.reader([line])) if is_csv else line)


def _wire(fields: Sequence[str] | str, *, site: str, devices: Mapping[str, Resource]) -> Wire:
    if isinstance(fields, str):
        joined, comma, speed = fields.rpartition(",")
        if not comma or _DASH.search(speed):
            joined, speed = fields, ""
        sides = [side for side in _DASH.split(joined.strip()) if side]
        if len(sides) != 2:
            raise ValueError(
                "Write a device and its port, a dash, and the other: “Tofino 1 1/0 — Host eth2, 100G”."
            )
        a, b = (_end(side, devices) for side in sides)
    else:
        if len(fields) not in (4, 5):
            raise ValueError(f"Give {', '.join(CSV_HEAD[:-1])}, and the speed if it is known.")
        a, b = (_known(fields[at].strip(), fields[at + 1].strip(), devices) for at in (0, 2))
        speed = fields[4] if len(fields) == 5 else ""
    if a[0].pk == b[0].pk:
        raise ValueError(f"Both ends are {a[0].name}; a cable joins two devices.")
    if all(device.site.slug != site for device, _ in (a, b)):
        raise ValueError("Neither end is at this site; describe it at one of theirs.")
    ends = [
        End(
            resource_id=device.pk,
            name=device.name if device.site.slug == site else str(device),
            port=port,
        )
        for device, port in (a, b)
    ]
    return Wire(
        a=ends[0],
        b=ends[1],
        speed_gbps=_speed(speed.strip()),
        between_sites=a[0].site_id != b[0].site_id,
    )


def _speed(text: str) -> float | None:
    if not text:
        return None
    match = _SPEED.fullmatch(text)
    gbps = float(match["number"].replace(",", ".")) * _GBPS[match["unit"].upper()] if match else 0.0
    if not gbps:
        raise ValueError(f"“{text}” is no speed; write 100G, or leave it out.")
    return gbps


def _end(text: str, devices: Mapping[str, Resource]) -> tuple[Resource, str]:
    folded = text.casefold()
    if folded in {name.casefold() for name in devices}:
        raise ValueError(f"Which port of {text}? Write it after the name: “{text} 1/0”.")
    # The longest name that fits: “Tofino 1 1/0” is port 1/0 of “Tofino 1”, not port “1 1/0” of “Tofino”.
    fitting = [name for name in devices if folded.startswith(f"{name} ".casefold())]
    if fitting:
        name = max(fitting, key=len)
        return _known(name, text[len(name) :].strip(), devices)
    name, _, port = text.rpartition(" ")
    return _known(name or text, port, devices)


def _known(name: str, port: str, devices: Mapping[str, Resource]) -> tuple[Resource, str]:
    by_folded = {known.casefold(): known for known in devices}
    known = by_folded.get(name.casefold())
    if known is None:
        near: dict[UUID, str] = {}
        for word in get_close_matches(name.casefold(), by_folded, n=6, cutoff=0.5):
            near.setdefault(devices[by_folded[word]].pk, by_folded[word])
        meant = " or ".join(f"“{word}”" for word in list(near.values())[:3])
        raise ValueError(f"There is no device “{name}”" + (f"; did you mean {meant}?" if meant else "."))
    if not port or len(port) > LONGEST_PORT:
        raise ValueError(f"Which port of {known}? Write it after the name, in at most {LONGEST_PORT} letters.")
    return devices[known], port
