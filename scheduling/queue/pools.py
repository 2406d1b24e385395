"""What one pool of cards carries, kept up to date with each start and end."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from math import ceil

from scheduling.queue.hosts import Hosts, Taken
from scheduling.queue.profile import Profile
from scheduling.queue.requests import CARD, NEVER, Booking, Moment, PoolSpec, Request


@dataclass(slots=True, eq=False)
class Running:
    """Whoever holds room in a pool: a request that was started, or a booking that has begun."""

    id: str
    need: int
    started_s: Moment
    ends_s: Moment
    """When its room is free again at the latest, clean-up included."""
    seq: int
    request: Request | None = None
    booking: Booking | None = None
    guest: bool = False
    """Whether it gives way to the owner of the cards."""
    taken: Taken = field(default_factory=tuple)


@dataclass(slots=True, eq=False)
class Window:
    """Room that is kept for later: by a booking, or for a request whose turn it is."""

    starts_s: Moment
    ends_s: Moment
    need: int
    booking: Booking | None = None
    request: Request | None = None
    guest: bool = False
    """Whether it is kept for a guest, whom the owner of the cards may pass."""
    room: int = 0
    """What is left at its start for whoever starts before and is still there then."""
    room_for_owner: int = 0
    """The same if all guests are gone by then, as the owner of the cards may want it."""


class Pool:
    """One pool: its free room, who runs till when, and what is kept for later.

    `ends` is sorted by the end, so that the moment at which a gang fits is a walk and not a search. `windows`
    is sorted by the start, and each knows what is left beside it, so that whether a request may start before
    it is one comparison. Starts and ends change both in place; nothing is ever built anew.
    """

    __slots__ = (
        "capacity",
        "ends",
        "fails",
        "free",
        "guest_room",
        "guests",
        "hosts",
        "index",
        "pool",
        "site",
        "speed",
        "turnaround",
        "windows",
    )

    def __init__(self, index: int, pool: PoolSpec) -> None:
        self.index = index
        self.pool = pool
        self.site = pool.site
        self.speed = pool.speed
        self.turnaround = pool.preparation_s + pool.cleanup_s
        self.capacity = self.free = pool.cards * CARD
        self.ends: list[tuple[Moment, int, Running]] = []
        self.windows: list[Window] = []
        self.fails: dict[int, Moment] = {}
        """For each need, from which end on it is known not to fit; until something leaves."""
        self.guests: dict[str, Running] = {}
        self.guest_room = 0
        self.hosts = Hosts(pool) if pool.cards_per_host or pool.devices else None

    def hold(self, length: int) -> int:
        """Return how long a request of that length keeps its cards, with preparation and clean-up."""
        return (length if self.speed == 1.0 else ceil(length / self.speed)) + self.turnaround

    def take(self, running: Running) -> None:
        """It has the room from now on."""
        self.free -= running.need
        insort(self.ends, (running.ends_s, running.seq, running))
        if running.guest:
            self.guests[running.id] = running
            self.guest_room += running.need
        for window in self.windows:
            if window.starts_s >= running.ends_s:
                break
            window.room -= running.need
            if not running.guest:
                window.room_for_owner -= running.need

    def give(self, running: Running) -> None:
        """Its room is free again."""
        self.fails.clear()
        self.free += running.need
        del self.ends[bisect_left(self.ends, (running.ends_s, running.seq))]
        if running.guest:
            del self.guests[running.id]
            self.guest_room -= running.need
        for window in self.windows:
            if window.starts_s >= running.ends_s:
                break
            window.room += running.need
            if not running.guest:
                window.room_for_owner += running.need
        if self.hosts is not None:
            self.hosts.give(running.taken)

    def keep(self, window: Window) -> None:
        """Keep room for later."""
        room = self.capacity - window.need
        guests = 0
        for ends_s, _, running in reversed(self.ends):
            if ends_s <= window.starts_s:
                break
            room -= running.need
            if running.guest:
                guests += running.need
        for other in self.windows:
            if other.starts_s <= window.starts_s < other.ends_s:
                room -= other.need
                if other.guest:
                    guests += other.need
            if window.starts_s <= other.starts_s < window.ends_s:
                other.room -= window.need
                if not window.guest:
                    other.room_for_owner -= window.need
        window.room = room
        window.room_for_owner = room + guests
        insort(self.windows, window, key=_start)

    def drop(self, window: Window) -> None:
        """Keep it no longer."""
        self.fails.clear()
        self.windows.remove(window)
        for other in self.windows:
            if window.starts_s <= other.starts_s < window.ends_s:
                other.room += window.need
                if not window.guest:
                    other.room_for_owner += window.need

    def open(self, window: Window, running: Running) -> None:
        """What was kept has begun: it runs now, and the windows after it already know."""
        self.windows.remove(window)
        self.free -= running.need
        insort(self.ends, (running.ends_s, running.seq, running))

    def spare(self, need: int, until: Moment) -> bool:
        """Whether so much is free from now until then, whatever is kept for later."""
        if self.free < need:
            return False
        if not self.windows:
            return True
        fails = self.fails.get(need)
        if fails is not None and until >= fails:
            return False
        for window in self.windows:
            if window.starts_s >= until:
                return True
            if window.room < need:
                self.fails[need] = until
                return False
        return True

    def spare_for_owner(self, need: int, until: Moment) -> bool:
        """The same for the owner of the cards, who may pass what is kept for guests."""
        if self.free < need:
            return False
        for window in self.windows:
            if window.starts_s >= until:
                return True
            if not window.guest and window.room_for_owner < need:
                return False
        return True

    def room_beside_bookings(self, start: Moment, end: Moment) -> int:
        """Return what the calendar alone leaves at the fullest moment of that time."""
        begun = [
            (running.started_s, running.ends_s, running.need) for _, _, running in self.ends if running.booking
        ]
        kept = [(window.starts_s, window.ends_s, window.need) for window in self.windows if window.booking]
        booked = [span for span in (*begun, *kept) if span[0] < end and span[1] > start]
        moments = {start, *(span[0] for span in booked if span[0] > start)}
        fullest = max(sum(need for s, e, need in booked if s <= moment < e) for moment in moments)
        return self.capacity - fullest

    def has_hosts_for(self, request: Request) -> bool:
        """Whether the free cards lie as it needs them."""
        if self.hosts is None:
            return True
        return self.hosts.fits(request.need, same_host=request.same_host or request.wired)

    def spare_until(self, need: int) -> Moment:
        """Return the moment until which so much is free, or 0 when it is not free now."""
        if self.free < need:
            return 0
        for window in self.windows:
            if window.room < need:
                return window.starts_s
        return NEVER

    def earliest(self, need: int, length: int, now: Moment) -> Moment:
        """Return the first moment at which so much is free for so long if everybody stays to the end."""
        if need > self.capacity:
            return NEVER
        if not self.windows:
            free = self.free
            if free >= need:
                return now
            for ends_s, _, running in self.ends:
                free += running.need
                if free >= need:
                    return ends_s if ends_s > now else now + 1
            return NEVER
        return self.profile(now).earliest(need, length, now)

    def earliest_for_owner(self, need: int, length: int, now: Moment) -> Moment:
        """Return the same for the owner of the cards, for whom guests are as good as gone."""
        if need > self.capacity:
            return NEVER
        guests = self.guest_room
        free = self.free + guests
        changes = [
            (ends_s if ends_s > now else now + 1, running.need)
            for ends_s, _, running in self.ends
            if not running.guest
        ]
        for window in self.windows:
            if not window.guest:
                changes.append((max(window.starts_s, now), -window.need))
                changes.append((window.ends_s, window.need))
        return Profile(now, free, changes).earliest(need, length, now)

    def profile(self, now: Moment) -> Profile:
        """Return the room moment by moment."""
        changes = [(ends_s if ends_s > now else now + 1, running.need) for ends_s, _, running in self.ends]
        for window in self.windows:
            changes.append((max(window.starts_s, now), -window.need))
            changes.append((window.ends_s, window.need))
        return Profile(now, self.free, changes)


def _start(window: Window) -> Moment:
    return window.starts_s
