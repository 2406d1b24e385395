"""What Slurm shows, whichever way it was asked: reservations, nodes, jobs, licences."""

import re
from dataclasses import dataclass, replace
from datetime import datetime

_BRACKETS = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A reservation as Slurm shows it."""

    name: str
    starts_at: datetime
    ends_at: datetime
    nodes: tuple[str, ...] = ()
    core_count: int = 0
    users: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    licences: str = ""
    flags: tuple[str, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A reservation as it should be made."""

    name: str
    starts_at: datetime | None
    """None: now."""
    ends_at: datetime
    users: str
    nodes: tuple[str, ...] = ()
    cores: int | None = None
    licence: str = ""
    gres: str = ""
    partition: str = ""
    flag: str = "STATIC_ALLOC"
    comment: str = ""

    def named(self, name: str, *, comment: str) -> "Wish":
        """Return the same wish under another name."""
        return replace(self, name=name, comment=comment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node as Slurm shows it."""

    name: str
    states: frozenset[str]
    cpus: int
    cpus_used: int
    gres: str = ""
    gres_used: str = ""
    reason: str = ""
    memory_mib: int = 0
    partitions: tuple[str, ...] = ()

    @property
    def cards(self) -> int:
        """How many cards Slurm counts on it."""
        return count_of(self.gres)

    @property
    def cards_used(self) -> int:
        """How many of them jobs have."""
        return count_of(self.gres_used)

    @property
    def trouble(self) -> str:
        """Say why jobs cannot run there; empty when they can."""
        bad = self.states & {"DOWN", "DRAIN", "DRAINED", "DRAINING", "FAIL", "FAILING", "INVALID_REG"}
        bad |= self.states & {"NOT_RESPONDING", "UNKNOWN", "FUTURE"}
        if not bad:
            return ""
        return f"Node {self.name} is {'+'.join(sorted(bad)).lower()}: {self.reason or 'no reason given'}."

    @property
    def is_marked_bad(self) -> bool:
        """Whether somebody, or Slurm, took it out of service on purpose."""
        return bool(self.states & {"DRAIN", "DRAINED", "DRAINING", "FAIL", "FAILING", "INVALID_REG"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that is not over."""

    id: str
    user: str
    state: str
    reservation: str = ""
    nodes: tuple[str, ...] = ()
    account: str = ""
    reason: str = ""

    @property
    def label(self) -> str:
        """How to speak of it."""
        return f"job {self.id} of {self.user} ({self.state.lower()})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """A licence and how many there are."""

    name: str
    total: int
    used: int
    reserved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Cards of one type on a node."""

    type: str
    count: int


def expand(text: str) -> tuple[str, ...]:
    """Return the nodes of an expression such as `gpu[1-2,07],cpu1`."""
    if not text or text in ("(null)", "None", "N/A"):
        return ()
    names: list[str] = []
    for piece in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text):
        names += _expand_one(piece)
    return tuple(names)


def _expand_one(piece: str) -> list[str]:
    found = _BRACKETS.search(piece)
    if found is None:
        return [piece]
    names: list[str] = []
    for span in found[1].split(","):
        first, _, last = span.partition("-")
        numbers = range(int(first), int(last or first) + 1)
        for number in numbers:
            middle = f"{number:0{len(first)}d}"
            names += _expand_one(piece[: found.start()] + middle + piece[found.end() :])
    return names


def cards_of(gres: str) -> tuple[Card, ...]:
    """Return the cards in text such as `gpu:h100:2(S:0-1),gpu:a100:1` or `gpu:h100:0(IDX:N/A)`."""
    found = re.findall(r"(?:^|,)gpu(?::([A-Za-z][\w.-]*))?:(\d+)", re.sub(r"\([^)]*\)", "", gres))
    return tuple(Card(type=kind, count=int(count)) for kind, count in found)


def count_of(gres: str) -> int:
    """Return how many cards the text names."""
    return sum(card.count for card in cards_of(gres))
