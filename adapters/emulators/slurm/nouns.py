"""What an emulated cluster is made of."""

import re
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class EmulatedNode:
    """A node with its cards."""

    name: str
    cpus: int = 32
    gpu: str = ""
    cards: int = 0
    memory_mib: int = 512_000
    down: bool = False
    drained: bool = False
    reason: str = ""

    @property
    def gres(self) -> str:
        """How Slurm writes its cards."""
        return f"gpu:{self.gpu}:{self.cards}" if self.cards else ""


@dataclass
class EmulatedReservation:
    """A reservation; times are seconds since 1970."""

    name: str
    start: int
    end: int
    nodes: list[str] = field(default_factory=list)
    cores: int = 0
    """0: all of each node."""
    cards: int = 0
    users: list[str] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    licences: dict[str, int] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    partition: str = ""
    comment: str = ""

    @property
    def is_partial(self) -> bool:
        """Whether it leaves something of its nodes to others."""
        return bool(self.cores or self.cards)


JobState = Literal["PENDING", "RUNNING", "COMPLETING", "CANCELLED", "TIMEOUT", "NODE_FAIL"]


@dataclass
class EmulatedJob:
    """A job that does nothing but last."""

    number: int
    user: str
    account: str
    minutes: int
    reservation: str = ""
    gpu: str = ""
    cards: int = 0
    licences: dict[str, int] = field(default_factory=dict)
    wants: str = ""
    """The node that it asked for."""
    stubborn: bool = False
    """Whether it ignores a polite request to end."""
    state: JobState = "PENDING"
    reason: str = "None"
    node: str = ""
    started: float = 0.0
    ended: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it neither waits nor has anything of a node."""
        return self.state in ("CANCELLED", "TIMEOUT", "NODE_FAIL")


class Refusal(Exception):
    """Slurm's words when it says no."""

    def __init__(self, words: str, *, number: int = 2000) -> None:
        super().__init__(words)
        self.words = words
        self.number = number


def gres_of(text: str) -> tuple[str, int]:
    """Return type and count of text such as `gpu:h100:1`, `gpu:1` or `gpu:h100`."""
    found = re.fullmatch(r"gpu(?::([A-Za-z][\w.-]*))?(?::(\d+))?", text)
    if found is None:
        raise Refusal("Invalid generic resource (gres) specification", number=2072)
    return found[1] or "", int(found[2] or 1)


def counts_of(text: str) -> dict[str, int]:
    """Return the counts of text such as `h100:1,matlab`."""
    counts = {}
    for piece in filter(None, text.split(",")):
        name, _, count = piece.partition(":")
        if count and not count.isdecimal():
            raise Refusal("Invalid license specification", number=2048)
        counts[name] = int(count or 1)
    return counts
