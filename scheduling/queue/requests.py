"""What the queue is told: who waits for what, which cards there are, and what was booked in the calendar."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Moment = int
"""Seconds on the caller's clock."""

CARD = 1000
"""One whole card in thousandths, the unit of all room in the queue; a share of a card is fewer."""

NEVER: Moment = 1 << 60
"""Later than anything that will be asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSpec:
    """Cards of one model at one site: interchangeable but for the host that they sit in."""

    site: str
    cards: int
    model: str = ""
    speed: float = 1.0
    """Work done in an hour, against a card of speed 1."""
    memory_gib: float = 0.0
    price: float = 0.0
    """Of a card for an hour, in the site's currency."""
    cards_per_host: int = 0
    """Zero where the hosts are not known: then any cards make a gang, and shares of cards take whole ones."""
    wired: bool = False
    """Whether the cards of a host are joined by NVLink or the like."""
    preparation_s: int = 0
    cleanup_s: int = 0
    """Kept free before and after each booking of the calendar."""
    devices: tuple[str, ...] = ()
    """Their names, where decisions should name them; as many as there are cards, host by host."""

    def __post_init__(self) -> None:
        if self.cards < 0 or self.speed <= 0 or self.cards_per_host < 0:
            raise ValueError(
                f"“{self.site}” cannot have {self.cards} cards of speed {self.speed:g};"
                " give zero or more cards and a speed above zero."
            )
        if self.devices and len(self.devices) != self.cards:
            raise ValueError(
                f"“{self.site}” names {len(self.devices)} devices for {self.cards} cards; name each."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A demand request: so many cards of a kind for so long, as soon as there is room."""

    id: str
    institution: str
    """Whose it is; the site of the same name is its home."""
    submitted_s: Moment
    length_s: int
    """On a card of speed 1; it may end earlier."""
    cards: int = 1
    share: int = 0
    """Thousandths of one card, when less than a whole one will do; `cards` is 1 then."""
    project: str = ""
    user: str = ""
    models: frozenset[str] = frozenset()
    """Those that will do; any, when empty."""
    memory_gib: float = 0.0
    same_host: bool = False
    wired: bool = False
    sites: frozenset[str] = frozenset()
    """Where it may run; anywhere, when empty."""
    barred: frozenset[str] = frozenset()
    least_length_s: int = 0
    """A shorter time is of no use; zero: only the whole length is."""
    earliest_s: Moment = 0
    latest_end_s: Moment = NEVER
    priority: int = 0
    """Of its class: higher goes first."""
    preemptible: bool = True
    """Whether it may be told to give way while it is a guest; if not, it starts away from home only on leave."""

    def __post_init__(self) -> None:
        if self.cards < 1 or not 0 <= self.share < CARD or (self.share and self.cards != 1):
            raise ValueError(f"Request {self.id} asks for no cards; ask for one or more, or a share of one.")
        if self.length_s < 1:
            raise ValueError(f"Request {self.id} is for {self.length_s} s; ask for a second or more.")

    @property
    def need(self) -> int:
        """The room that it takes, in thousandths of a card."""
        return self.share or self.cards * CARD


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """A window of the calendar on so many cards of a pool: it starts on time, whatever the queue has started."""

    id: str
    site: str
    model: str = ""
    cards: int
    starts_s: Moment
    ends_s: Moment
    institution: str = ""

    def __post_init__(self) -> None:
        if self.cards < 1 or self.ends_s <= self.starts_s:
            raise ValueError(
                f"Booking {self.id} holds nothing: {self.cards} cards, {self.starts_s}–{self.ends_s} s."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start this request on these cards."""

    request: Request
    site: str
    model: str
    at_s: Moment
    """Now, or when those who give way are gone."""
    ends_s: Moment
    """At the latest."""
    devices: tuple[str, ...] = ()
    passed_over: int = 0
    """How many that stood before it in the order could not use what it took."""
    after: tuple[str, ...] = ()
    """Who gives way to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveWay:
    """Tell this one that it ends early and waits again."""

    request: Request
    site: str
    at_s: Moment
    to: str
    """The request or booking that takes the room."""
    reason: str
    """`host` when the owner of the cards wants them, `booking` when the calendar does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impossible:
    """Nobody can ever satisfy this one: why, and what would make it possible."""

    request: Request
    cause: str
    """`no_site`, `no_model`, `no_memory`, `too_wide`, `too_wide_for_host`, `too_long`, `too_late`, `no_quota`,
    `no_leave` (every site lends only to those who give way)."""
    most: int = 0
    """The most that could be had instead: cards, or seconds when it is too long or too late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a request waits, for words to be made of."""

    request: Request
    cause: str
    """`room` (not so many free at one site), `behind` (others go first), `booking` (the calendar has them soon),
    `earliest` (it asked for later), `quota`, `leave` (it does not give way, so only its home will do)."""
    position: int = 0
    cards: int = 0
    free: int = 0
    """The most that are free at one site that will do."""
    site: str = ""
    """Where it is expected to start."""
    ahead_of_it: str = ""
    """The request that the room is kept for, when that is why."""
    predicted_s: Moment | None = None
    soonest_s: Moment | None = None
    latest_s: Moment | None = None
    """The honest range: if everybody leaves as early as the like did before, and if all stay to their end."""


@dataclass(slots=True, kw_only=True)
class Decisions:
    """What one pass of the queue decided, in the order of deciding."""

    starts: list[Start] = field(default_factory=list)
    give_ways: list[GiveWay] = field(default_factory=list)
    opened: list[tuple[Booking, Moment]] = field(default_factory=list)
    """Bookings that began, and when."""
    expired: list[Request] = field(default_factory=list)
    """Those whose latest end can no longer be met."""

    def __bool__(self) -> bool:
        return bool(self.starts or self.give_ways or self.opened or self.expired)


Quotas = Mapping[str, int]
"""The most cards that each project may hold at once; those without an entry have no limit."""
