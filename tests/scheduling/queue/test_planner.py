"""What the queue decides in small, and what it says about it."""

import dataclasses

import pytest

from scheduling.queue.hosts import Hosts
from scheduling.queue.lengths import Lengths
from scheduling.queue.planner import Planner
from scheduling.queue.policies import POLICIES
from scheduling.queue.requests import CARD, Booking, PoolSpec, Request
from scheduling.queue.shares import Shares
from scheduling.queue.waits import why

FEDERATED = POLICIES["federated"]


def ask(name: str, institution: str = "a", length: int = 3600, **more) -> Request:
    return Request(id=name, institution=institution, submitted_s=more.pop("at", 0), length_s=length, **more)


def pools(**cards: int) -> list[PoolSpec]:
    return [PoolSpec(site=site, cards=count) for site, count in cards.items()]


def started(made) -> list[tuple[str, str]]:
    return [(start.request.id, start.site) for start in made.starts]


@pytest.mark.parametrize(
    ("more", "cause", "most"),
    [
        ({"cards": 99}, "too_wide", 8),
        ({"models": frozenset({"H100"})}, "no_model", 0),
        ({"memory_gib": 80.0}, "no_memory", 0),
        ({"sites": frozenset({"moon"})}, "no_site", 0),
        ({"latest_end_s": 1800}, "too_late", 1800),
        ({"project": "poor"}, "no_quota", 0),
    ],
)
def test_what_can_never_be_had_is_said_at_once(more, cause, most):
    planner = Planner(pools(a=8, b=4), FEDERATED, quotas={"poor": 0})
    refused = planner.submit(ask("x", **more), 0)
    assert (refused.cause, refused.most) == (cause, most)
    assert not planner.plan(0)


def test_a_project_at_its_quota_waits_and_others_pass():
    planner = Planner(pools(a=8), FEDERATED, quotas={"p": 2})
    for number in range(3):
        planner.submit(ask(f"p{number}", project="p"), 0)
    planner.submit(ask("q", project="q"), 0)
    assert len(planner.plan(0).starts) == 3
    (waits,) = planner.waiting
    assert why(planner, waits.request.id, 0).cause == "quota"


def test_notice_gives_the_guest_time_and_the_owner_a_later_start():
    policy = dataclasses.replace(FEDERATED, notice_s=300)
    planner = Planner(pools(a=4, b=4), policy)
    planner.submit(ask("home", cards=4, length=80_000), 0)
    planner.submit(ask("guest", cards=4, length=80_000), 0)
    assert sorted(started(planner.plan(0))) == [("guest", "b"), ("home", "a")]
    planner.submit(ask("owner", "b", cards=4, at=60), 60)
    made = planner.plan(60)
    (leaves,), (start,) = made.give_ways, made.starts
    assert (leaves.request.id, leaves.at_s, leaves.to) == ("guest", 360, "owner")
    assert (start.at_s, start.after) == (360, ("guest",))


def test_a_guaranteed_least_run_is_kept():
    policy = dataclasses.replace(FEDERATED, least_run_s=600)
    planner = Planner(pools(a=1, b=1), policy)
    planner.submit(ask("home", length=80_000), 0)
    planner.submit(ask("guest", length=80_000), 0)
    planner.plan(0)
    planner.submit(ask("owner", "b", at=60), 60)
    assert not planner.plan(60)
    assert planner.next_wake() == 600
    planner.ended("home", 599)
    planner.submit(ask("other", at=599), 599)
    planner.plan(599)
    assert {leaves.request.id for leaves in planner.plan(600).give_ways} <= {"guest"}


def test_who_does_not_give_way_starts_at_home_only():
    planner = Planner(pools(a=1, b=1), FEDERATED)
    planner.submit(ask("first", preemptible=False), 0)
    planner.submit(ask("second", preemptible=False), 0)
    assert started(planner.plan(0)) == [("first", "a")]


def test_nothing_starts_into_a_booking_and_the_booking_is_on_time():
    planner = Planner(pools(a=4), FEDERATED)
    assert planner.book(Booking(id="class", site="a", cards=4, starts_s=3000, ends_s=6000), 0)
    planner.submit(ask("long"), 0)
    planner.submit(ask("short", length=1800), 0)
    assert started(planner.plan(0)) == [("short", "a")]
    assert why(planner, "long", 0).cause == "booking"
    assert planner.next_wake() == 3000
    planner.ended("short", 1800)
    planner.plan(1800)
    assert [(booking.id, at) for booking, at in planner.plan(3000).opened] == [("class", 3000)]
    planner.ended("class", 6000)
    assert started(planner.plan(6000)) == [("long", "a")]


def test_bookings_a_second_apart_each_start_on_time():
    planner = Planner(pools(a=4), FEDERATED)
    for second in range(3):
        planner.book(Booking(id=f"b{second}", site="a", cards=1, starts_s=100 + second, ends_s=900), 0)
    opened = []
    while (wake := planner.next_wake()) is not None:
        opened += [at - booking.starts_s for booking, at in planner.plan(wake).opened]
    assert opened == [0, 0, 0]


def test_the_calendar_never_takes_more_than_there_is():
    planner = Planner(pools(a=4), FEDERATED)
    assert planner.book(Booking(id="x", site="a", cards=3, starts_s=100, ends_s=200), 0)
    assert not planner.book(Booking(id="y", site="a", cards=2, starts_s=150, ends_s=250), 0)
    assert planner.book(Booking(id="z", site="a", cards=2, starts_s=200, ends_s=250), 0)


def test_a_site_that_leaves_sends_its_guests_back_to_the_queue():
    planner = Planner(pools(a=1, b=1), FEDERATED)
    planner.submit(ask("home"), 0)
    planner.submit(ask("guest"), 0)
    planner.plan(0)
    told = planner.resize("b", "", 0, 10)
    assert [(leaves.request.id, leaves.reason) for leaves in told] == [("guest", "site")]
    planner.ended("home", 3600)
    assert started(planner.plan(3600)) == [("guest", "a")]


def test_a_cancelled_request_never_starts():
    planner = Planner(pools(a=1), FEDERATED)
    planner.submit(ask("runs"), 0)
    planner.plan(0)
    planner.submit(ask("waits"), 1)
    planner.plan(1)
    planner.cancel("waits", 2)
    planner.cancel("runs", 3)
    assert not planner.plan(3)
    assert not planner.running


def test_whose_latest_end_has_gone_by_is_told_so():
    planner = Planner(pools(a=1), FEDERATED)
    planner.submit(ask("runs"), 0)
    planner.plan(0)
    planner.submit(ask("late", length=600, latest_end_s=2000), 0)
    planner.plan(0)
    assert planner.next_wake() == 1401
    assert [request.id for request in planner.plan(1401).expired] == ["late"]


def test_it_says_why_and_when_with_an_honest_range():
    planner = Planner(pools(a=2), FEDERATED)
    planner.submit(ask("runs", cards=2, length=7200), 0)
    planner.plan(0)
    planner.submit(ask("waits", cards=2), 60)
    planner.plan(60)
    said = why(planner, "waits", 60, usual=0.5, short=0.25)
    assert (said.cause, said.position, said.free, said.site) == ("room", 1, 0, "a")
    assert (said.soonest_s, said.predicted_s, said.latest_s) == (1800, 3600, 7200)


def test_a_share_of_a_card_goes_where_least_is_left_beside_it():
    hosts = Hosts(PoolSpec(site="a", cards=2, cards_per_host=2))
    first = hosts.take(600)
    assert hosts.take(400) == ((first[0][0], 400),)
    assert hosts.fits(CARD)
    assert not hosts.fits(2 * CARD, same_host=True)
    hosts.give(first)
    assert hosts.fits(600)


def test_cards_of_one_host_are_kept_together_for_those_who_need_it():
    planner = Planner([PoolSpec(site="a", cards=8, cards_per_host=4)], FEDERATED)
    planner.submit(ask("one"), 0)
    planner.submit(ask("gang", cards=4, same_host=True), 0)
    assert len(planner.plan(0).starts) == 2
    assert planner.submit(ask("wide", cards=5, same_host=True), 0).cause == "too_wide_for_host"


def test_past_use_fades_by_half_in_a_half_life():
    shares = Shares(half_life_s=1000, weights={"a": 1.0})
    shares.changes("a", 4, 0)
    assert shares.past("a", 1000) == pytest.approx(2)
    shares.changes("a", -4, 1000)
    assert shares.past("a", 2000) == pytest.approx(1)


def test_lengths_are_guessed_from_the_users_own_past():
    lengths = Lengths()
    assert lengths.usual_share("u") == 1
    for ran in (60, 90, 120, 90, 90):
        lengths.ended("u", asked_s=3600, ran_s=ran)
    assert lengths.usual_share("u") == pytest.approx(0.025)
    assert lengths.is_wild("u", 86_400, longest_s=86_400)
    assert not lengths.is_wild("u", 3600, longest_s=86_400)


def test_a_site_can_only_tighten_the_policy():
    strict = FEDERATED.tightened(guest_length_s=3600, notice_s=60)
    assert (strict.guest_length_s, strict.notice_s) == (3600, 60)
    again = strict.tightened(guest_length_s=9999, notice_s=0)
    assert (again.guest_length_s, again.notice_s) == (3600, 60)
