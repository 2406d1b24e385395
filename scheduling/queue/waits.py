"""Why somebody waits, and until when: for words to be made of."""

from scheduling.queue.planner import Planner
from scheduling.queue.pools import Pool
from scheduling.queue.profile import Profile
from scheduling.queue.requests import CARD, NEVER, Moment, Why
from scheduling.queue.waiting import Entry

LOOKED_AT = 300
"""Who stands further behind gets no prediction: too much happens until then."""


def why(planner: Planner, request_id: str, now: Moment, *, usual: float = 1.0, short: float = 1.0) -> Why:
    """Explain why this request waits, and predict its start.

    `usual` and `short` are the shares of the asked time that are used at the median and by one of ten
    (`Lengths`); the range lies between those who leave early and those who stay to the end.
    """
    entry = planner.entries[request_id]
    request = entry.request
    line = entry.line
    if line is None:
        return Why(request=request, cause="earliest", cards=request.cards, predicted_s=request.earliest_s)
    ahead = in_order(planner, now)
    position = ahead.index(entry) + 1
    places = line.places.all
    free = max((pool.free for pool in places), default=0)
    ahead_of_it = ""
    if planner.is_over_quota(line):
        cause = "quota"
    elif free < line.need:
        cause = "leave" if not request.preemptible and not line.places.away else "room"
    else:
        kept = [window for pool in places for window in pool.windows if window.request is not entry.request]
        cause = "booking" if any(window.booking for window in kept) else "behind"
        ahead_of_it = next((window.request.id for window in kept if window.request), "")
    soonest = latest = predicted = None
    site = ""
    if position <= LOOKED_AT:
        upto = ahead[:position]
        latest, site = _start_of_last(planner, upto, now, 1.0)
        predicted, site = _start_of_last(planner, upto, now, usual)
        soonest, _ = _start_of_last(planner, upto, now, short)
        known = sorted(moment for moment in (soonest, predicted, latest) if moment is not None)
        soonest, latest = (known[0], known[-1]) if known else (None, None)
    return Why(
        request=request,
        cause=cause,
        position=position,
        cards=request.cards,
        free=free // CARD,
        site=site,
        ahead_of_it=ahead_of_it,
        predicted_s=predicted,
        soonest_s=soonest,
        latest_s=latest,
    )


def in_order(planner: Planner, now: Moment) -> list[Entry]:
    """Return all who wait as they would be served now."""
    ranked = [
        (planner.rank(line, now), number, entry)
        for line in planner.waiting.busy.values()
        for number, (_, entry) in enumerate(sorted(line.entries))
        if entry.line is line
    ]
    ranked.sort(key=lambda row: (row[0], row[1], row[2].seq))
    return [entry for _, _, entry in ranked]


def _start_of_last(
    planner: Planner, entries: list[Entry], now: Moment, used: float
) -> tuple[Moment | None, str]:
    """Place each in turn where it starts first, if all use that share of their time; return the last one's."""
    profiles = {pool.index: _profile(pool, now, used) for pool in planner.pools}
    start: Moment = NEVER
    site = ""
    for entry in entries:
        line = entry.line
        if line is None:
            continue
        best: tuple[Moment, bool, int] | None = None
        chosen: Pool | None = None
        for pool in line.places.all:
            if line.need > pool.capacity:
                continue
            length = max(int(pool.hold(line.length) * used), 1)
            at = profiles[pool.index].earliest(line.need, length, now)
            rank = (at, pool.site != line.request.institution, pool.index)
            if at < NEVER and (best is None or rank < best):
                best, chosen = rank, pool
        start, site = NEVER, ""
        if best is not None and chosen is not None:
            start, site = best[0], chosen.site
            length = max(int(chosen.hold(line.length) * used), 1)
            profiles[chosen.index].change(start, start + length, -line.need)
    return (start, site) if start < NEVER else (None, "")


def _profile(pool: Pool, now: Moment, used: float) -> Profile:
    changes: list[tuple[Moment, int]] = []
    for ends_s, _, running in pool.ends:
        left = ends_s if running.booking else running.started_s + int((ends_s - running.started_s) * used)
        changes.append((max(left, now + 1), running.need))
    for window in pool.windows:
        if window.booking:
            changes.append((max(window.starts_s, now), -window.need))
            changes.append((window.ends_s, window.need))
    return Profile(now, pool.free, changes)
