"""Bookings for a replay: part of the recorded demand, booked ahead in the calendar instead of queued."""

from dataclasses import replace
from hashlib import blake2b

from scheduling.queue.requests import Booking, PoolSpec
from scheduling.replay.traces import Job, Trace

LEAST_AHEAD_S = 3600
MOST_AHEAD_S = 72 * 3600
LONGEST_S = 24 * 3600


def with_bookings(
    trace: Trace, pools: list[PoolSpec], *, share: float, seed: int = 0
) -> tuple[Trace, list[tuple[int, Booking]]]:
    """Turn jobs into bookings at home until they hold that share of all card time; return the rest and them.

    Each is made when the job was submitted, for 1 to 72 hours later, for the length asked for, up to a day.
    Which jobs, and how far ahead, is drawn from the job's id: the same on every machine.
    """
    cards = {pool.site: pool.cards for pool in pools}
    wanted = share * sum(cards.values()) * max(trace.span_s, 1)
    candidates = sorted(
        (_drawn(job, seed, "who"), number)
        for number, job in enumerate(trace.jobs)
        if not job.share and job.cards <= cards.get(job.site, 0) and job.length_s <= LONGEST_S
    )
    chosen: set[int] = set()
    held = 0.0
    for _, number in candidates:
        if held >= wanted:
            break
        job = trace.jobs[number]
        chosen.add(number)
        held += job.length_s * job.cards
    made: list[tuple[int, Booking]] = []
    for number in sorted(chosen):
        job = trace.jobs[number]
        ahead = LEAST_AHEAD_S + int(_drawn(job, seed, "when") * (MOST_AHEAD_S - LEAST_AHEAD_S))
        starts = job.submit_s + ahead
        booking = Booking(
            id=f"booking {job.id}",
            site=job.site,
            cards=job.cards,
            starts_s=starts,
            ends_s=starts + job.length_s,
            institution=job.site,
        )
        made.append((job.submit_s, booking))
    rest = tuple(job for number, job in enumerate(trace.jobs) if number not in chosen)
    return replace(trace, jobs=rest), made


def _drawn(job: Job, seed: int, what: str) -> float:
    digest = blake2b(f"{seed} {what} {job.id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
