"""Which devices can talk to each other, and choosing those that can."""

from scheduling.asks import Ask, Candidate
from scheduling.wiring import Network, choose_wired, everything_of, parted


def network(*pairs: tuple[str, str], forwards: frozenset[str] = frozenset()) -> Network:
    joins: dict[str, frozenset[str]] = {}
    for one, other in pairs:
        joins[one] = joins.get(one, frozenset()) | {other}
        joins[other] = joins.get(other, frozenset()) | {one}
    return Network(joins=joins, forwards=forwards)


def device(name: str, kind: str, site: str = "roma") -> Candidate:
    return Candidate(id=name, site=site, kind=kind)


CARD, SWITCH = Ask(kind="gpu"), Ask(kind="p4_switch")


def test_two_hosts_talk_through_a_switch_that_is_booked_and_not_through_one_that_is_not():
    wires = network(("a", "s"), ("s", "b"), forwards=frozenset({"s"}))
    assert parted(wires, [["a"], ["b"], ["s"]], frozenset({(0, 1)})) == []
    assert parted(wires, [["a"], ["b"]], frozenset({(0, 1)})) == [("a", "b")]


def test_nothing_passes_through_what_does_not_forward():
    wires = network(("a", "host"), ("host", "b"))
    assert parted(wires, [["a"], ["b"], ["host"]], everything_of(3)) == [("a", "b")]


def test_within_one_line_all_have_to_talk_to_all():
    wires = network(("a", "b"))
    assert parted(wires, [["a", "b", "c"]], frozenset({(0, 0)})) == [("a", "c"), ("b", "c")]


def test_a_choice_takes_the_switch_that_the_card_is_wired_to():
    free = [
        device("card-1", "gpu"),
        device("card-2", "gpu"),
        device("s1", "p4_switch"),
        device("s2", "p4_switch"),
    ]
    wires = network(("card-2", "s2"), forwards=frozenset({"s1", "s2"}))
    assert choose_wired([CARD, SWITCH], free, wires, frozenset({(0, 1)})) == (("card-2",), ("s2",))


def test_what_is_not_tied_is_chosen_as_ever():
    free = [device("card-1", "gpu"), device("card-2", "gpu"), device("s1", "p4_switch")]
    assert choose_wired([CARD, SWITCH], free, network(("card-2", "s1")), frozenset()) == (("card-1",), ("s1",))


def test_there_is_no_choice_where_nothing_is_wired():
    free = [device("card-1", "gpu"), device("s1", "p4_switch")]
    assert choose_wired([CARD, SWITCH], free, network(), frozenset({(0, 1)})) is None


def test_a_named_device_decides_which_others_are_taken():
    free = [device(f"card-{n}", "gpu") for n in range(6)] + [
        device("s1", "p4_switch"),
        device("s2", "p4_switch"),
    ]
    wires = network(
        *((f"card-{n}", "s1" if n < 3 else "s2") for n in range(6)), forwards=frozenset({"s1", "s2"})
    )
    asks = [Ask(named="s2"), Ask(kind="gpu", count=3)]
    assert choose_wired(asks, free, wires, everything_of(2)) == (("s2",), ("card-3", "card-4", "card-5"))
    assert choose_wired([asks[0], Ask(kind="gpu", count=4)], free, wires, everything_of(2)) is None


def test_the_other_wishes_hold_as_well():
    free = [
        device("card", "gpu", "roma"),
        device("s1", "p4_switch", "roma"),
        device("s2", "p4_switch", "osaka"),
    ]
    wires = network(("card", "s1"), ("card", "s2"), forwards=frozenset({"s1", "s2"}))
    far = Ask(kind="p4_switch", site="osaka")
    assert choose_wired([CARD, far], free, wires, everything_of(2)) == (("card",), ("s2",))
    tied = Ask(kind="p4_switch", same_site_as=0)
    assert choose_wired([CARD, tied], free, wires, everything_of(2)) == (("card",), ("s1",))


def test_a_hopeless_wiring_of_many_devices_is_given_up_soon():
    free = [device(f"card-{n}", "gpu") for n in range(60)] + [device(f"s{n}", "p4_switch") for n in range(30)]
    wires = network(
        *((f"card-{n}", f"s{n % 30}") for n in range(60)), *((f"s{n}", f"s{n + 1}") for n in range(29))
    )
    assert choose_wired([Ask(kind="gpu", count=6), SWITCH], free, wires, everything_of(2)) is None
