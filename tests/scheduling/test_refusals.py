from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.asks import Ask, Candidate
from scheduling.matching import choose
from scheduling.refusals import Shortfall, explain

from .instances import calendars, family, inventories, is_idle, wishes


def gpu(candidate_id: str, site: str = "uni-a", **more: object) -> Candidate:
    return Candidate(id=candidate_id, site=site, kind="gpu", **more)


def shortfall(ask: int = 0, **more: object) -> Shortfall:
    plain = {"named": None, "reason": "not_enough", "found": 0, "wanted": 1, "until": None, "never": False}
    return Shortfall(ask=ask, **{**plain, **more})


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_refusal_is_explained_exactly_if_there_is_one_and_never_means_never(data):
    inventory = data.draw(inventories(families=3))
    asks = data.draw(wishes(inventory))
    busy = data.draw(calendars(inventory))
    starts_at = data.draw(st.integers(0, 150))
    ends_at = starts_at + data.draw(st.integers(1, 50))

    shortfalls = explain(asks, inventory, busy, starts_at=starts_at, ends_at=ends_at)

    free = [candidate for candidate in inventory if is_idle(candidate, busy, starts_at, ends_at)]
    assert (shortfalls == []) == (choose(asks, free) is not None)
    assert any(one.never for one in shortfalls) == (choose(asks, inventory) is None)
    for one in shortfalls:
        assert one.found < one.wanted == asks[one.ask].count
        assert one.named == asks[one.ask].named
        assert (one.until is None) == one.never
        assert one.until is None or one.until > starts_at


def test_a_named_device_is_taken_until_a_window_of_that_length_fits():
    busy = {"a": [(0, 100), (150, 300)]}

    assert explain([Ask(named="a")], [gpu("a", preparation_s=10)], busy, starts_at=50, ends_at=110) == [
        shortfall(named="a", reason="taken", until=310)
    ]


def test_too_few_now_are_counted_and_the_moment_is_named_when_there_are_enough():
    cards = [gpu("a"), gpu("b"), gpu("c")]
    busy = {"a": [(0, 100)], "b": [(0, 200)]}

    assert explain([Ask(kind="gpu", count=2)], cards, busy, starts_at=0, ends_at=50) == [
        shortfall(found=1, wanted=2, until=100)
    ]


def test_more_than_there_are_is_never():
    assert explain([Ask(kind="gpu", count=5)], [gpu("a"), gpu("b")], {}, starts_at=0, ends_at=50) == [
        shortfall(found=2, wanted=5, never=True)
    ]


def test_what_does_not_exist_is_unknown():
    asks = [Ask(named="z"), Ask(kind="quantum")]

    assert explain(asks, [gpu("a")], {}, starts_at=0, ends_at=50) == [
        shortfall(named="z", reason="unknown", never=True),
        shortfall(1, reason="unknown", never=True),
    ]


def test_wishes_that_contradict_each_other_are_never_met():
    cards = [gpu("a"), gpu("b", "uni-b")]
    asks = [Ask(named="a"), Ask(named="b", same_site_as=0)]

    assert explain(asks, cards, {}, starts_at=0, ends_at=50) == [shortfall(1, named="b", never=True)]


def test_a_device_that_is_taken_is_told_apart_from_one_that_can_never_be_had():
    cards = [gpu("a"), gpu("b")]

    assert explain([Ask(named="a"), Ask(kind="nic")], cards, {"a": [(0, 100)]}, starts_at=0, ends_at=50) == [
        shortfall(named="a", reason="taken", until=100),
        shortfall(1, reason="unknown", never=True),
    ]


def test_asks_that_only_fail_beside_each_other_name_the_later_one():
    devices = family("d", "uni-a", ["gpu", "slice", "slice"], [8], of_part=9)
    devices += family("e", "uni-a", ["gpu", "slice", "slice"], [8], of_part=9)
    busy = {"e": [(0, 100)], "e.1": [(0, 100)]}

    assert explain([Ask(kind="gpu"), Ask(kind="slice", count=2)], devices, busy, starts_at=0, ends_at=50) == [
        shortfall(1, found=1, wanted=2, until=100)
    ]


def test_leases_may_follow_each_other_without_a_gap():
    card = gpu("a", preparation_s=10, cleanup_s=20)
    busy = {"a": [(0, 90), (220, 300)]}

    assert explain([Ask(named="a")], [card], busy, starts_at=100, ends_at=200) == []
    assert explain([Ask(named="a")], [card], busy, starts_at=99, ends_at=200) != []
    assert explain([Ask(named="a")], [card], busy, starts_at=100, ends_at=201) != []
