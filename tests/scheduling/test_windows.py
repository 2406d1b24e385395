from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.asks import Ask, Candidate, merged
from scheduling.matching import choose
from scheduling.windows import Sweep, free_windows, nearest_windows
from scheduling.wishes import Wishes

from .instances import STEP_S, calendars, family, inventories, is_answer, is_idle, wishes


def idle(inventory, busy, start, duration_s):
    return [candidate for candidate in inventory if is_idle(candidate, busy, start, start + duration_s)]


def is_possible(asks, inventory, busy, start, duration_s):
    # `choose` is compared with brute force in its own tests.
    return choose(asks, idle(inventory, busy, start, duration_s)) is not None


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_every_slot_is_free_and_no_start_that_should_have_been_one_is_passed_over(data):
    inventory = data.draw(inventories(families=3))
    asks = data.draw(wishes(inventory, most=2))
    busy = data.draw(calendars(inventory))
    duration_s = data.draw(st.integers(1, 60))
    earliest, latest, limit = data.draw(st.integers(-10, 30)), 250, 4

    slots = free_windows(
        asks,
        inventory,
        busy,
        duration_s=duration_s,
        earliest=earliest,
        latest=latest,
        step_s=STEP_S,
        limit=limit,
    )

    expected: list[int] = []
    slot_at = {slot.starts_at: slot for slot in slots}
    for start in range(-(-earliest // STEP_S) * STEP_S, latest - duration_s + 1, STEP_S):
        if len(expected) == limit or not is_possible(asks, inventory, busy, start, duration_s):
            continue
        if expected and start < expected[-1] + duration_s and expected[-1] in slot_at:
            held = {candidate_id for line in slot_at[expected[-1]].picks for candidate_id in line}
            still_idle = {
                candidate.id
                for between in range(expected[-1], start + 1, STEP_S)
                for candidate in inventory
                if candidate.id in held and not is_idle(candidate, busy, between, between + duration_s)
            }
            if not still_idle:
                continue
        expected.append(start)
    assert [slot.starts_at for slot in slots] == expected
    for slot in slots:
        assert slot.ends_at == slot.starts_at + duration_s
        assert is_answer(asks, idle(inventory, busy, slot.starts_at, duration_s), slot.picks)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_nearest_windows_are_the_last_before_and_the_first_from_the_wanted_moment(data):
    inventory = data.draw(inventories(families=3))
    asks = data.draw(wishes(inventory, most=2))
    busy = data.draw(calendars(inventory))
    duration_s = data.draw(st.integers(1, 60))
    earliest, latest, wanted_at = 3, 230, data.draw(st.integers(-10, 240))

    slots = nearest_windows(
        asks,
        inventory,
        busy,
        duration_s=duration_s,
        wanted_at=wanted_at,
        earliest=earliest,
        latest=latest,
        step_s=STEP_S,
    )

    possible = [
        start
        for start in range(STEP_S, latest - duration_s + 1, STEP_S)
        if is_possible(asks, inventory, busy, start, duration_s)
    ]
    before = [start for start in possible if start < wanted_at][-1:]
    after = [start for start in possible if start >= wanted_at][:1]
    assert [slot.starts_at for slot in slots] == before + after
    for slot in slots:
        assert is_answer(asks, idle(inventory, busy, slot.starts_at, duration_s), slot.picks)


def test_preparation_and_cleanup_are_kept_free():
    card = Candidate(id="a", site="uni-a", kind="gpu", preparation_s=300, cleanup_s=600)
    busy = {"a": [(0, 1000), (5500, 6000)]}

    slots = free_windows([Ask()], [card], busy, duration_s=3600, earliest=0, latest=20_000, step_s=100)

    assert slots[0].starts_at == 1300
    slots = free_windows([Ask()], [card], busy, duration_s=3601, earliest=0, latest=20_000, step_s=100)
    assert slots[0].starts_at == 6300


def test_slots_are_not_the_same_devices_five_minutes_later():
    card = Candidate(id="a", site="uni-a", kind="gpu")

    slots = free_windows([Ask()], [card], {}, duration_s=3600, earliest=0, latest=3 * 3600, step_s=300)

    assert [slot.starts_at for slot in slots] == [0, 3600, 7200]


def test_another_device_is_offered_when_the_first_is_lost():
    cards = [Candidate(id=name, site="uni-a", kind="gpu") for name in "ab"]
    busy = {"a": [(4000, 9000)]}

    slots = free_windows([Ask()], cards, busy, duration_s=3600, earliest=0, latest=8000, step_s=100, limit=2)

    assert [(slot.starts_at, slot.picks) for slot in slots] == [(0, (("a",),)), (500, (("b",),))]


def test_a_part_beside_a_lease_is_offered_before_an_untouched_whole():
    devices = family("a", "uni-a", ["gpu", "slice", "slice"], [8], of_part=9)
    devices += family("b", "uni-a", ["gpu", "slice", "slice"], [8], of_part=9)
    lease = [(0, 1000)]
    busy = {"b.1": lease, "b": lease}

    slots = free_windows([Ask(kind="slice")], devices, busy, duration_s=600, earliest=0, latest=600)

    assert slots[0].picks == (("b.2",),)


def test_what_can_never_be_is_not_searched_for():
    cards = [Candidate(id=f"c{number}", site="uni-a", kind="gpu") for number in range(20)]
    busy = {card.id: [(at, at + 50) for at in range(0, 100_000, 100)] for card in cards}
    sweep = Sweep(Wishes([Ask(count=21)], cards), busy, duration_s=60, first=0, last=100_000, step_s=10)

    assert list(sweep.slots()) == []
    assert sweep.turns == 0


def test_a_far_calendar_is_not_read_when_the_answer_is_near():
    cards = [Candidate(id=f"c{number}", site="uni-a", kind="gpu") for number in range(300)]
    busy = {card.id: [(at, at + 500) for at in range(0, 1_000_000, 1000)] for card in cards}
    sweep = Sweep(Wishes([Ask(count=250)], cards), busy, duration_s=400, first=100, last=900_000, step_s=100)

    slot = next(sweep.slots())

    assert slot.starts_at == 500
    assert sweep.turns <= 300


@pytest.mark.parametrize(("duration_s", "step_s"), [(0, 300), (60, 0)])
def test_an_empty_window_or_step_is_refused(duration_s, step_s):
    with pytest.raises(ValueError, match="longer than nothing"):
        free_windows([Ask()], [], {}, duration_s=duration_s, earliest=0, latest=10, step_s=step_s)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))))
def test_merged_intervals_hold_the_same_moments_sorted_and_apart(intervals):
    result = merged(intervals)

    assert {m for start, end in result for m in range(start, end)} == {
        m for start, end in intervals for m in range(start, end)
    }
    assert all(start < end for start, end in result)
    assert all(first[1] < second[0] for first, second in pairwise(result))


def test_a_lease_that_began_long_before_the_earliest_moment_is_seen_when_looking_back():
    cards = [Candidate(id=name, site="uni-a", kind="gpu") for name in "ab"]
    busy = {"a": [(-500, 400), (450, 2000)], "b": [(150, 2000)]}

    slots = nearest_windows(
        [Ask()], cards, busy, duration_s=100, wanted_at=350, earliest=0, latest=3000, step_s=100
    )

    assert [(slot.starts_at, slot.picks) for slot in slots] == [(0, (("b",),)), (2000, (("a",),))]
