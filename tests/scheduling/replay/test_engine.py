"""Every policy on made-up federations, judged by a checker that knows nothing of the queue."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.queue.policies import POLICIES
from scheduling.queue.requests import PoolSpec
from scheduling.replay.bookings import with_bookings
from scheduling.replay.capacities import capacities_for_load, pools_of
from scheduling.replay.engine import Replay, replay
from scheduling.replay.figures import figures_of
from scheduling.replay.oracle import replay_oracle
from scheduling.replay.traces import Job, Trace, asked_length
from tests.scheduling.replay.checker import Row, problems

SITES = ("north", "south", "east")


def job(number: int, site: str, submit: int, duration: int, cards: int = 1) -> Job:
    return Job(str(number), site, "", submit, duration, cards, 0, (), asked_length(duration))


def rows_of(run: Replay) -> list[Row]:
    return [
        Row(o.job.id, o.site, o.start_s, o.end_s, o.job.cards, o.preemptions, o.lost_s)
        for o in run.outcomes
        if o.start_s >= 0
    ]


@st.composite
def federations(draw: st.DrawFn) -> tuple[Trace, list[PoolSpec]]:
    asked = draw(
        st.lists(
            st.tuples(
                st.integers(0, 40_000),
                st.sampled_from(SITES),
                st.integers(1, 100_000),
                st.sampled_from((1, 1, 1, 2, 3, 4, 8)),
            ),
            min_size=1,
            max_size=40,
        )
    )
    jobs = [
        job(n, site, submit, length, cards) for n, (submit, site, length, cards) in enumerate(sorted(asked))
    ]
    cards = {site: draw(st.integers(8, 16)) for site in SITES}
    return Trace(tuple(jobs)), pools_of(cards)


@pytest.mark.parametrize("name", POLICIES)
@settings(max_examples=15, deadline=None)
@given(federation=federations())
def test_every_policy_runs_every_job_once_within_the_cards(name, federation):
    trace, pools = federation
    run = replay(trace, pools, POLICIES[name])
    if POLICIES[name].backfill == "calendar":
        assert not [o for o in run.outcomes if o.preemptions]
    assert problems(trace.jobs, rows_of(run), {pool.site: pool.cards for pool in pools}) == []


@settings(max_examples=15, deadline=None)
@given(federation=federations(), share=st.sampled_from((0.1, 0.3, 0.5)))
def test_bookings_always_start_on_time_whatever_the_queue_started(federation, share):
    trace, pools = federation
    rest, bookings = with_bookings(trace, pools, share=share)
    run = replay(rest, pools, POLICIES["federated"], bookings=bookings)
    assert len(run.bookings) + run.refused_bookings == len(bookings)
    assert [at - booking.starts_s for booking, at in run.bookings if at != booking.starts_s] == []
    assert problems(rest.jobs, rows_of(run), {pool.site: pool.cards for pool in pools}) == []
    room = {pool.site: pool.cards for pool in pools}
    for booking, at in run.bookings:
        used = sum(o.job.cards for o in run.outcomes if o.site == booking.site and o.start_s <= at < o.end_s)
        used += sum(
            b.cards for b, t in run.bookings if b.site == booking.site and t <= at < t + b.ends_s - b.starts_s
        )
        assert used <= room[booking.site]


@settings(max_examples=20, deadline=None)
@given(federation=federations())
def test_giving_way_always_comes_to_an_end(federation):
    trace, pools = federation
    run = replay(trace, pools, POLICIES["federated"])
    # Each eviction is made by a start at home, which nobody can undo, and empties at most that many cards.
    at_home = sum(o.job.cards for o in run.outcomes if o.site == o.job.site)
    assert sum(o.preemptions for o in run.outcomes) <= at_home


def test_the_same_trace_gives_the_same_run_to_the_second():
    trace = Trace(tuple(job(n, SITES[n % 3], n * 50, 500 + 37 * n, 1 + n % 4) for n in range(300)))
    pools = pools_of(dict.fromkeys(SITES, 8))
    assert rows_of(replay(trace, pools, POLICIES["federated"])) == rows_of(
        replay(trace, pools, POLICIES["federated"])
    )


def test_a_busy_site_borrows_what_an_idle_one_has():
    trace = Trace(tuple(job(n, "north", 0, 3600) for n in range(16)))
    pools = pools_of({"north": 8, "south": 8})
    alone = figures_of(replay(trace, pools, POLICIES["silo"]))
    shared = figures_of(replay(trace, pools, POLICIES["federated"]))
    assert alone.waits.mean_s == pytest.approx(1800)
    assert shared.waits.mean_s == 0
    assert shared.borrowed_h == {"north": pytest.approx(8)}
    assert shared.lent_h == {"south": pytest.approx(8)}


def test_an_owner_gets_its_cards_back_from_a_guest():
    jobs = (job(0, "north", 0, 40_000, 8), job(1, "north", 10, 40_000, 8), job(2, "south", 1000, 600, 8))
    run = replay(Trace(jobs), pools_of({"north": 8, "south": 8}), POLICIES["federated"])
    guest, owner = run.outcomes[1], run.outcomes[2]
    assert (owner.site, owner.start_s) == ("south", 1000)
    assert (guest.preemptions, guest.lost_s) == (1, 990)
    assert guest.start_s >= 1600


def test_backfill_lets_the_short_pass_without_delaying_the_first():
    jobs = (job(0, "a", 0, 3600, 6), job(1, "a", 1, 3600, 8), job(2, "a", 2, 1800, 2), job(3, "a", 3, 7200, 2))
    pools = pools_of({"a": 8})
    easy = replay(Trace(jobs), pools, POLICIES["easy"]).outcomes
    assert [o.start_s for o in easy] == [0, 3600, 2, 7200]
    strict = replay(Trace(jobs), pools, POLICIES["fcfs"]).outcomes
    assert [o.start_s for o in strict] == [0, 3600, 7200, 7200]


def test_who_can_never_run_is_said_at_once_and_the_others_run():
    jobs = (job(0, "a", 0, 60, 1000), job(1, "a", 0, 60))
    run = replay(Trace(jobs), pools_of({"a": 8, "b": 16}), POLICIES["federated"])
    (impossible,) = run.impossible
    assert (impossible.request.id, impossible.cause, impossible.most) == ("0", "too_wide", 16)
    assert problems(jobs, rows_of(run), {"a": 8, "b": 16}, never=frozenset({"0"})) == []


def test_cards_of_unlike_speed_go_to_whoever_finishes_first_there():
    pools = [PoolSpec(site="a", cards=1, model="slow"), PoolSpec(site="a", cards=1, model="fast", speed=4.0)]
    jobs = tuple(job(n, "a", 0, 3600) for n in range(3))
    run = replay(Trace(jobs), pools, POLICIES["federated"])
    # Waiting for the fast card is better than the slow one, as long as few wait.
    assert max(o.end_s for o in run.outcomes) <= 3600


def test_the_oracle_is_never_worse_than_the_queue():
    trace = Trace(tuple(job(n, SITES[n % 3], n * 40, 300 + 613 * n % 7000, 1 + n % 4) for n in range(200)))
    pools = pools_of(dict.fromkeys(SITES, 8))
    best = figures_of(replay_oracle(trace, pools)).waits.mean_s
    assert 0 < best < figures_of(replay(trace, pools, POLICIES["easy"])).waits.mean_s


def test_capacity_follows_the_load_and_fits_the_widest_job():
    trace = Trace((job(0, "a", 0, 3600, 1), job(1, "b", 0, 3600, 20), job(2, "a", 36_000, 36_000, 9)))
    assert capacities_for_load(trace, 0.5) == {"a": 24, "b": 24}
    assert capacities_for_load(trace, 0.9) == {"a": 16, "b": 24}


def test_the_checker_finds_what_is_wrong():
    jobs = (job(0, "a", 100, 60, 8), job(1, "a", 100, 60, 8))
    good = [Row("0", "a", 100, 160, 8, 0, 0), Row("1", "a", 160, 220, 8, 0, 0)]
    assert problems(jobs, good, {"a": 8}) == []
    assert problems(jobs, good[:1], {"a": 8})
    assert problems(jobs, [good[0], Row("1", "a", 159, 219, 8, 0, 0)], {"a": 8})
    assert problems(jobs, [Row("0", "a", 99, 159, 8, 0, 0), good[1]], {"a": 8})
    assert problems(jobs, [Row("0", "b", 100, 160, 8, 0, 0), good[1]], {"a": 8})
    assert problems(jobs, [Row("0", "a", 100, 161, 8, 0, 0), good[1]], {"a": 16})
