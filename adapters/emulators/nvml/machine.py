"""Describes pretended machines to the compiled stand-in, and changes them while programs look.

The format stands in library/machine.h.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapters.emulators.nvml.profiles import FakeProfile, profiles_for

STATE_VARIABLE = "SHARY_FAKE_NVML"
COMPUTE_MODES = ("default", "exclusive_thread", "prohibited", "exclusive_process")
XID = 8  # nvmlEventTypeXidCriticalError


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeSlice:
    """A MIG slice that a pretended card begins with; its profile stands at the end of `model`."""

    uuid: str
    model: str
    memory_mib: int | None = None
    """None: what the profile has."""
    used_mib: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeLink:
    """An NVLink of a pretended card."""

    peer: str
    """The address of what it ends at."""
    active: bool = True
    is_switch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeCard:
    """A card that the machine pretends to have. What is None the card does not know."""

    pci: str
    model: str = "NVIDIA H100 80GB HBM3"
    uuid: str = "GPU-11111111-2222-3333-4444-555555555555"
    serial: str = ""
    vbios: str = "96.00.74.00.01"
    memory_mib: int = 81559
    used_mib: int = 4
    utilisation_percent: int = 0
    temperature_celsius: int = 31
    cuda_cores: int = 16896
    lost: bool = False
    broken: bool = False
    """It wants a reset and answers nothing that has to be asked of the card itself."""
    held: bool = False
    """Something keeps it open, so that its MIG mode cannot change."""
    compute_mode: str = "default"
    persistence: bool = True
    ecc: bool | None = True
    ecc_pending: bool | None = None
    """None: as `ecc`."""
    ecc_volatile: int | None = 0
    ecc_aggregate: int | None = 0
    retired_pages: int | None = None
    """H100 and A100 remap rows instead of retiring pages."""
    retirement_pending: bool | None = None
    remapped_correctable: int | None = 0
    remapped_uncorrectable: int | None = 0
    remap_pending: bool = False
    remap_failed: bool = False
    clocks_event_reasons: int = 1
    power_w: float | None = 68.5
    """What it draws now."""
    power_limit_w: int | None = 700
    power_default_w: int = 700
    power_lowest_w: int = 200
    power_highest_w: int = 700
    application_graphics_mhz: int | None = 1980
    application_memory_mhz: int | None = 2619
    highest_graphics_mhz: int = 1980
    highest_memory_mhz: int = 2619
    numa_node: int | None = 0
    cpus: int = 0xFFFF
    """Up to 64 processors near to it, a bit for each."""
    mig: bool = False
    mig_pending: bool | None = None
    """None: as `mig`."""
    mig_needs_reset: bool = False
    creates_left: int | None = None
    """How many more slices can be made before the card refuses; None: no limit."""
    slices: tuple[FakeSlice, ...] = ()
    processes: tuple[tuple[int, int] | tuple[int, int, int], ...] = ()
    """Process id, MiB used, and the GPU instance when it runs in a slice."""
    links: tuple[FakeLink, ...] = ()
    profiles: tuple[FakeProfile, ...] | None = None
    """None: those of the model."""


def a16(pci: str, **other: object) -> FakeCard:
    """Return a card that cannot be cut, has no NVLink, and whose clocks for programs are fixed."""
    values: dict[str, object] = {
        "model": "NVIDIA A16",
        "memory_mib": 15356,
        "cuda_cores": 1280,
        "vbios": "94.07.54.00.2C",
        "power_limit_w": 62,
        "power_default_w": 62,
        "power_lowest_w": 36,
        "power_highest_w": 62,
        "application_graphics_mhz": None,
        "application_memory_mhz": None,
        "highest_graphics_mhz": 1755,
        "highest_memory_mhz": 7251,
    }
    return FakeCard(pci=pci, **(values | other))  # type: ignore[arg-type]  # fields of FakeCard by name


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeHost:
    """What the pretended machine says of itself."""

    driver: str = "580.159.04"
    cuda: int | None = 13000
    root: bool = True
    """Whether who asks may change things."""
    latency_us: int = 0
    """How long the driver takes for an answer that is not already known."""
    init_latency_us: int = 0
    ancestors: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """The level of NVML_TOPOLOGY_* above two cards, by their numbers; others: the system."""


def write_machine(
    file: Path, cards: Iterable[FakeCard], *, driver: str | None = None, host: FakeHost | None = None
) -> None:
    """Describe the machine to the library, all at once: a reader never sees half a file."""
    host = host or FakeHost()
    lines = [
        _line(
            "machine",
            driver=driver or host.driver,
            cuda=host.cuda,
            root=host.root,
            latency_us=host.latency_us,
            init_latency_us=host.init_latency_us,
        )
    ]
    for number, card in enumerate(cards):
        lines += _lines_of(number, card)
    lines += [_line("ancestor", a=a, b=b, level=level) for (a, b), level in host.ancestors.items()]
    with _locked(file):
        _replace(file, lines)


class MachineFile:
    """A pretended machine that is already there, for changes while programs look at it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def things(self, kind: str) -> list[dict[str, str]]:
        """Return all things of the kind, such as `gpu`, with their keys."""
        return [_keys(line) for line in self._lines() if line.startswith(kind + " ")]

    def change(self, gpu: int, **keys: object) -> None:
        """Set keys of a card, by their names in the file."""
        self._edit(lambda lines: self._changed(lines, "gpu ", gpu, keys))

    def change_host(self, **keys: object) -> None:
        """Set keys of the machine."""
        self._edit(lambda lines: self._changed(lines, "machine ", 0, keys))

    def report(self, gpu: int, xid: int, *, gpu_instance: int | None = None) -> None:
        """Let the driver report an error of a card, to those who listen."""

        def more(lines: list[str]) -> list[str]:
            sequence = 1 + sum(line.startswith("event ") for line in lines)
            return [*lines, _line("event", seq=sequence, gpu=gpu, type=XID, data=xid, gi=gpu_instance)]

        self._edit(more)

    def add(self, kind: str, **keys: object) -> None:
        """Add a thing of the kind, with its keys as they stand in the file."""
        self._edit(lambda lines: [*lines, _line(kind, **keys)])

    def start_process(self, gpu: int, pid: int, used_mib: int, *, gpu_instance: int | None = None) -> None:
        """Let a process use a card, or one of its slices."""
        line = _line("process", gpu=gpu, pid=pid, used_mib=used_mib, gi=gpu_instance)
        self._edit(lambda lines: [*lines, line])

    def end_process(self, pid: int) -> None:
        """End a process."""
        self._edit(
            lambda lines: [
                line for line in lines if not (line.startswith("process ") and f" pid={pid} " in line + " ")
            ]
        )

    def _lines(self) -> list[str]:
        return self.file.read_text().splitlines()

    def _edit(self, change: Callable[[list[str]], list[str]]) -> None:
        with _locked(self.file):
            _replace(self.file, change(self._lines()))

    @staticmethod
    def _changed(lines: list[str], kind: str, number: int, keys: Mapping[str, object]) -> list[str]:
        places = [place for place, line in enumerate(lines) if line.startswith(kind)]
        place = places[number]
        values = {**_keys(lines[place]), **{key: _text(value) for key, value in keys.items()}}
        name = {"name": values.pop("name")} if "name" in values else {}
        lines[place] = _line(kind.strip(), **values, **name)
        return lines


def _lines_of(number: int, card: FakeCard) -> Iterator[str]:
    profiles = profiles_for(card.model) if card.profiles is None else card.profiles
    yield _line(
        "gpu",
        pci=card.pci,
        uuid=card.uuid,
        serial=card.serial,
        vbios=card.vbios,
        memory_mib=card.memory_mib,
        used_mib=card.used_mib,
        util=card.utilisation_percent,
        temp=card.temperature_celsius,
        cores=card.cuda_cores,
        lost=card.lost,
        broken=card.broken,
        held=card.held,
        mig=card.mig,
        mig_pending=card.mig if card.mig_pending is None else card.mig_pending,
        mig_needs_reset=card.mig_needs_reset,
        creates_left=card.creates_left,
        compute_mode=COMPUTE_MODES.index(card.compute_mode),
        persistence=card.persistence,
        ecc=card.ecc,
        ecc_pending=card.ecc if card.ecc_pending is None else card.ecc_pending,
        ecc_volatile=card.ecc_volatile,
        ecc_aggregate=card.ecc_aggregate,
        retired_sbe=None if card.retired_pages is None else 0,
        retired_dbe=card.retired_pages,
        retired_pending=card.retirement_pending,
        remap_corr=card.remapped_correctable,
        remap_unc=card.remapped_uncorrectable,
        remap_pending=card.remap_pending,
        remap_failed=card.remap_failed,
        reasons=card.clocks_event_reasons,
        draw_mw=None if card.power_w is None else round(card.power_w * 1000),
        power_mw=None if card.power_limit_w is None else card.power_limit_w * 1000,
        power_default_mw=card.power_default_w * 1000,
        power_min_mw=card.power_lowest_w * 1000,
        power_max_mw=card.power_highest_w * 1000,
        app_graphics=card.application_graphics_mhz,
        app_memory=card.application_memory_mhz,
        default_graphics=card.application_graphics_mhz,
        default_memory=card.application_memory_mhz,
        max_graphics=card.highest_graphics_mhz,
        max_memory=card.highest_memory_mhz,
        numa=card.numa_node,
        cpus=card.cpus,
        name=card.model,
    )
    for profile in profiles:
        yield _line(
            "profile",
            gpu=number,
            index=profile.index,
            id=profile.id,
            slices=profile.slices,
            most=profile.most,
            memory_mib=profile.memory_mib,
            sms=profile.sms,
            size=profile.size,
            starts=",".join(map(str, profile.starts)),
            name=profile.name,
        )
    yield from _slices_of(number, card, {profile.name: profile for profile in profiles})
    for pid, used_mib, *instance in card.processes:
        yield _line("process", gpu=number, pid=pid, used_mib=used_mib, gi=instance[0] if instance else None)
    for place, link in enumerate(card.links):
        yield _line("link", gpu=number, link=place, active=link.active, is_switch=link.is_switch, pci=link.peer)


def _slices_of(number: int, card: FakeCard, offered: Mapping[str, FakeProfile]) -> Iterator[str]:
    taken: set[int] = set()
    for instance, part in enumerate(card.slices, start=1):
        profile = offered["MIG " + part.model.rpartition("MIG ")[2]]
        start = next(s for s in profile.starts if not taken & set(range(s, s + profile.size)))
        taken |= set(range(start, start + profile.size))
        yield _line("gi", gpu=number, id=instance, profile=profile.id, start=start)
        yield _line(
            "ci",
            gpu=number,
            gi=instance,
            id=0,
            profile={1: 0, 2: 1, 3: 2, 4: 3, 7: 4}[profile.slices],
            slices=profile.slices,
            uuid=part.uuid,
            memory_mib=part.memory_mib,
            used_mib=part.used_mib,
        )


def _line(kind: str, **keys: object) -> str:
    return " ".join([kind, *(f"{key}={_text(value)}" for key, value in keys.items())])


def _text(value: object) -> str:
    if value is None:
        return "-"
    return str(int(value)) if isinstance(value, bool) else str(value)


def _keys(line: str) -> dict[str, str]:
    # `name` comes last and may hold blanks.
    rest, _, name = line.partition(" name=")
    keys = dict(word.split("=", 1) for word in rest.split()[1:])
    return keys | ({"name": name} if name else {})


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.with_name(file.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace(file: Path, lines: list[str]) -> None:
    draft = file.with_name(file.name + ".new")
    draft.write_text("\n".join(lines) + "\n")
    # The clock of files is coarse: without this, two changes in a moment look like one.
    now = time.time_ns()
    os.utime(draft, ns=(now, now))
    draft.replace(file)
