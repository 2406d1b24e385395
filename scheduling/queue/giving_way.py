"""Who gives way: those who lose least by it, and no more of them than needed."""

from collections.abc import Iterable

from scheduling.queue.policies import Policy
from scheduling.queue.pools import Pool, Running
from scheduling.queue.requests import Moment
from scheduling.queue.waiting import Line


def victims_for_owner(pool: Pool, line: Line, now: Moment, policy: Policy, *, may_lose: float) -> list[Running]:
    """Return the guests that end so that the owner of these cards can start; empty when that is not enough.

    Only guests give way, and whoever made them is at home and no guest: so nobody who took room by this can
    lose it by this, and the number of times it happens is at most the number of starts at home.
    """
    missing = line.need - pool.free
    if not policy.guests_give_way or missing > pool.guest_room or missing <= 0:
        return []
    ripe = [guest for guest in pool.guests.values() if now - guest.started_s >= policy.least_run_s]
    chosen = _cheapest(ripe, missing, now)
    if not chosen:
        return []
    stayed = [(now - victim.started_s, victim.need) for victim in chosen]
    if sum(time * need for time, need in stayed if time > policy.trial_s) > may_lose:
        return []
    until = now + policy.notice_s + line.length + pool.turnaround
    for window in pool.windows:
        if window.starts_s >= until:
            break
        if not window.guest and window.room_for_owner < line.need:
            return []
    if pool.hosts is not None:
        request = line.request
        for victim in chosen:
            pool.hosts.give(victim.taken)
        fits = pool.hosts.fits(line.need, same_host=request.same_host or request.wired)
        for victim in chosen:
            pool.hosts.retake(victim.taken)
        if not fits:
            return []
    return chosen


def victims_for_booking(pool: Pool, need: int, now: Moment) -> list[Running]:
    """Return those that end so that a booking starts on time: guests first, and no booking."""
    missing = need - pool.free
    requests = [running for _, _, running in pool.ends if running.request is not None]
    return _cheapest(requests, missing, now)


def _cheapest(candidates: Iterable[Running], missing: int, now: Moment) -> list[Running]:
    """Return the latest started that together free enough, less those that turn out not to be needed."""
    ordered = sorted(candidates, key=lambda running: (-running.started_s, -running.seq))
    chosen: list[Running] = []
    freed = 0
    for running in ordered:
        if freed >= missing:
            break
        chosen.append(running)
        freed += running.need
    if freed < missing:
        return []
    for running in sorted(chosen, key=lambda running: -(now - running.started_s) * running.need):
        if freed - running.need >= missing:
            chosen.remove(running)
            freed -= running.need
    return chosen
