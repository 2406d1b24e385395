import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.asks import Ask, Candidate
from scheduling.matching import Matcher, choose
from scheduling.wishes import Wishes

from .instances import family, fewest_sites, inventories, is_answer, wishes


def gpu(candidate_id: str, site: str = "uni-a", **more: object) -> Candidate:
    return Candidate(id=candidate_id, site=site, kind="gpu", **more)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_an_answer_is_found_exactly_if_there_is_one_and_it_uses_the_fewest_sites(data):
    inventory = data.draw(inventories())
    asks = data.draw(wishes(inventory))

    picks = choose(asks, inventory)

    fewest = fewest_sites(asks, inventory)
    if picks is None:
        assert fewest is None
    else:
        assert is_answer(asks, inventory, picks)
        site_of = {candidate.id: candidate.site for candidate in inventory}
        assert len({site_of[candidate_id] for line in picks for candidate_id in line}) == fewest


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_answer_does_not_depend_on_the_order_of_candidates(data):
    inventory = data.draw(inventories())
    asks = data.draw(wishes(inventory))

    assert choose(asks, inventory) == choose(asks, data.draw(st.permutations(inventory)))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_matcher_that_followed_many_changes_answers_like_a_fresh_one(data):
    inventory = data.draw(inventories())
    asks = data.draw(wishes(inventory))
    matcher = Matcher(Wishes(asks, inventory))
    free: set[str] = set()
    for candidate_id in data.draw(st.lists(st.sampled_from(matcher.ids), max_size=25)) if matcher.ids else []:
        (matcher.remove if candidate_id in free else matcher.add)(candidate_id)
        free ^= {candidate_id}

    picks = matcher.picks()

    fresh = choose(asks, [candidate for candidate in inventory if candidate.id in free])
    assert picks == fresh


def test_a_whole_excludes_its_parts_and_two_parts_do_not_exclude_each_other():
    devices = family("d", "uni-a", ["gpu", "slice", "slice"], [8], of_part=9)

    assert choose([Ask(kind="slice", count=2)], devices) == (("d.1", "d.2"),)
    assert choose([Ask(kind="gpu"), Ask(kind="slice")], devices) is None


def test_a_versatile_device_is_left_to_the_ask_that_needs_it():
    big = gpu("a", attributes={"memory_gib": 80})
    small = gpu("b", attributes={"memory_gib": 24})

    assert choose([Ask(kind="gpu"), Ask(minimum={"memory_gib": 40})], [big, small]) == (("b",), ("a",))


def test_a_part_of_a_broken_up_whole_is_taken_before_an_untouched_one():
    fresh = Candidate(id="a.1", site="uni-a", kind="slice", excludes=frozenset({"a"}))
    broken_up = Candidate(id="b.1", site="uni-a", kind="slice", excludes=frozenset({"b"}), partly_used=True)

    assert choose([Ask(kind="slice")], [fresh, broken_up]) == (("b.1",),)


def test_parts_are_taken_beside_a_named_part_of_the_same_whole():
    first = family("a", "uni-a", ["gpu", "slice", "slice"], [8], of_part=9)
    second = family("b", "uni-a", ["gpu", "slice", "slice"], [8], of_part=9)

    assert choose([Ask(kind="slice"), Ask(named="b.1")], first + second) == (("b.2",), ("b.1",))


def test_one_site_is_preferred_over_two():
    devices = [gpu("a1"), gpu("b1", "uni-b"), gpu("b2", "uni-b")]

    assert choose([Ask(kind="gpu", count=2)], devices) == (("b1", "b2"),)


def test_tied_asks_share_a_site_across_a_chain():
    devices = [gpu("g-a"), gpu("g-b", "uni-b")]
    devices += [Candidate(id="n-b", site="uni-b", kind="nic"), Candidate(id="s-b", site="uni-b", kind="switch")]
    asks = [Ask(kind="gpu"), Ask(kind="nic", same_site_as=0), Ask(kind="switch", same_site_as=1)]

    assert choose(asks, devices) == (("g-b",), ("n-b",), ("s-b",))


def test_spread_picks_are_at_different_sites():
    devices = [gpu("a1"), gpu("a2"), gpu("b1", "uni-b")]

    assert choose([Ask(kind="gpu", count=2, spread=True)], devices) == (("a1", "b1"),)
    assert choose([Ask(kind="gpu", count=3, spread=True)], devices) is None


def test_the_model_is_compared_whole_and_without_regard_to_case():
    card = gpu("a", model="NVIDIA L40S")

    assert choose([Ask(model="nvidia l40s")], [card]) == (("a",),)
    assert choose([Ask(model="nvidia l40")], [card]) is None


@pytest.mark.parametrize("attributes", [{}, {"memory_gib": "80"}, {"memory_gib": 39.9}])
def test_a_minimum_is_not_met_by_what_is_missing_or_words_or_less(attributes):
    assert choose([Ask(minimum={"memory_gib": 40})], [gpu("a", attributes=attributes)]) is None


def test_a_named_device_has_to_meet_the_other_wishes_too():
    assert choose([Ask(named="a", kind="nic")], [gpu("a")]) is None
    assert choose([Ask(named="a"), Ask(named="a")], [gpu("a")]) is None


def test_a_tie_to_an_ask_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="tied to ask 3"):
        choose([Ask(kind="gpu", same_site_as=3)], [gpu("a")])


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="-1"):
        Ask(count=-1)


def test_thousands_of_like_units_are_one_case_for_the_search():
    """Wholes and halves compete for every device: looked at one by one, this would never end."""
    devices = [
        device
        for number in range(400)
        for device in family(f"d{number:03}", "uni-a", ["gpu", "slice", "slice"], [8], of_part=9)
    ]
    matcher = Matcher(Wishes([Ask(kind="gpu", count=200), Ask(kind="slice", count=401)], devices))
    for candidate_id in matcher.ids:
        matcher.add(candidate_id)

    assert matcher.picks() is None
    assert matcher.flows < 420

    picks = choose([Ask(kind="gpu", count=200), Ask(kind="slice", count=400)], devices)
    assert picks is not None
    assert is_answer([Ask(kind="gpu", count=200), Ask(kind="slice", count=400)], devices, picks)


def test_the_common_site_gives_way_to_an_ask_that_is_bound_to_it():
    cards = [gpu("a"), gpu("b", "uni-b")]

    assert choose([Ask(same_site_as=0), Ask(site="uni-a")], cards) == (("b",), ("a",))


def test_few_sites_are_found_among_too_many_to_try_every_set():
    cards = [gpu(f"s{number:02}", f"site-{number:02}") for number in range(60)]
    cards += [gpu(f"t{number}", f"site-{number}") for number in (57, 58, 59)]

    picks = choose([Ask(kind="gpu", count=5)], cards)

    assert picks is not None
    assert sorted(picks[0])[:2] == ["s57", "s58"]
    assert {candidate_id[1:] for candidate_id in picks[0]} == {"57", "58", "59"}


def test_a_rich_site_that_another_makes_needless_is_left_out():
    cards = [gpu(f"x{number}", "a-rich") for number in range(3)]
    nics = [Candidate(id=f"n{number}", site=f"nic-{number}", kind="nic") for number in range(70)]
    both = [gpu(f"y{number}", f"nic-{number}") for number in range(3)]
    asks = [Ask(kind="gpu", count=3), Ask(kind="nic", count=4)]

    picks = choose(asks, cards + nics + both)

    assert picks is not None
    site_of = {candidate.id: candidate.site for candidate in cards + nics + both}
    assert len({site_of[candidate_id] for line in picks for candidate_id in line}) == 4
