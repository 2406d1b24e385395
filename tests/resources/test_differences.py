"""What was found beside what is known: who is recognised, and what is said of the rest."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.contract import FoundDevice
from resources.differences import Line, differences
from resources.recognition import Known

GPU = "GPU-11111111-2222-3333-4444-555555555555"
OTHER = "GPU-99999999-2222-3333-4444-555555555555"


def found_card(pci: str = "0000:65:00.0", *, serial: str = GPU, **fields: Any) -> FoundDevice:
    fields.setdefault("attributes", {"model": "NVIDIA L40S", "pci": pci, "uuid": serial or None})
    fields.setdefault("settings", {"pci": pci})
    return FoundDevice(name=pci, kind="gpu", model="NVIDIA L40S", serial=serial, **fields)


def found_host(*cards: FoundDevice, **fields: Any) -> FoundDevice:
    fields.setdefault("settings", {"cards": [card.settings["pci"] for card in cards]})
    fields.setdefault("attributes", {"model": "host"})
    return FoundDevice(name="gpu1", kind="gpu_host", model="host", parts=cards, **fields)


def known_card(pci: str = "0000:65:00.0", *, serial: str = GPU, **fields: Any) -> Known:
    fields.setdefault("id", f"id-{pci}")
    fields.setdefault("name", f"L40S at {pci}")
    fields.setdefault("attributes", {"model": "NVIDIA L40S", "pci": pci, "uuid": serial or None})
    fields.setdefault("all_settings", {"pci": pci})
    return Known(kind="gpu", serial=serial, **fields)


def known_host(*cards: Known, **fields: Any) -> Known:
    fields.setdefault("all_settings", {"cards": [card.all_settings["pci"] for card in cards]})
    return Known(id="host", name="Host 1", kind="gpu_host", attributes={"model": "host"}, parts=cards, **fields)


def said(*lines: Line) -> list[tuple[str, str]]:
    return [(line.kind, line.device) for line in lines]


def test_what_is_listed_as_it_was_found_makes_no_line() -> None:
    assert differences([found_host(found_card())], [known_host(known_card())], asked="host") == ()


def test_a_new_host_comes_with_its_cards_under_it() -> None:
    host, first, second = differences([found_host(found_card(), found_card("0000:66:00.0", serial=OTHER))], [])
    assert said(host, first, second) == [("new", "gpu1"), ("new", "0000:65:00.0"), ("new", "0000:66:00.0")]
    assert first.under == second.under == host.fingerprint
    assert host.under == ""


def test_a_new_card_in_a_known_host_names_the_host_as_its_whole() -> None:
    lines = differences(
        [found_host(found_card(), found_card("0000:66:00.0", serial=OTHER))],
        [known_host(known_card())],
        asked="host",
    )
    new = next(line for line in lines if line.kind == "new")
    assert (new.whole, new.under, new.group) == ("host", "", "Host 1")
    assert ("changed", "Host 1") in said(*lines), "the host lends another set of cards"


def test_a_card_that_is_gone_is_not_seen_and_one_out_of_service_is_not_missed() -> None:
    known = known_host(known_card())
    lines = differences([found_host(settings={})], [known], asked="host")
    assert said(*lines) == [("missing", "L40S at 0000:65:00.0")]
    retired = known_host(known_card(in_service=False))
    assert differences([found_host(settings={})], [retired], asked="host") == ()


def test_a_host_that_was_asked_about_and_not_found_is_missing() -> None:
    assert said(*differences([], [known_host()], asked="host")) == [("missing", "Host 1")]
    assert differences([], [known_host()], asked="") == (), "nobody asked about this one"


def test_a_card_in_another_slot_is_the_same_card_moved() -> None:
    lines = differences(
        [found_host(found_card("0000:b3:00.0"), settings={})], [known_host(known_card())], asked="host"
    )
    (moved,) = lines
    assert (moved.kind, moved.resource) == ("moved", "id-0000:65:00.0")
    assert {(c.place, c.old, c.new) for c in moved.changes} == {
        ("attributes", "0000:65:00.0", "0000:b3:00.0"),
        ("settings", "0000:65:00.0", "0000:b3:00.0"),
    }


def test_two_cards_that_changed_places_both_moved() -> None:
    known = known_host(known_card(), known_card("0000:66:00.0", serial=OTHER))
    found = found_host(found_card("0000:66:00.0", serial=GPU), found_card("0000:65:00.0", serial=OTHER))
    assert sorted(line.kind for line in differences([found], [known], asked="host")) == ["moved", "moved"]


def test_another_card_in_the_same_slot_is_new_and_the_old_one_is_missing() -> None:
    lines = differences([found_host(found_card(serial=OTHER))], [known_host(known_card())], asked="host")
    assert said(*lines) == [("new", "0000:65:00.0"), ("missing", "L40S at 0000:65:00.0")]


@pytest.mark.parametrize("written", ["65:00.0", "00000000:65:00.0", "0000:65:00.0", " 0000:65:00.0"])
def test_a_place_is_the_same_however_it_is_written(written: str) -> None:
    known = known_card(serial="", all_settings={"pci": written}, attributes={"model": "L40S", "pci": written})
    lines = differences([found_host(found_card(serial=""), settings={})], [known_host(known)], asked="host")
    assert lines == ()


def test_a_serial_number_that_was_not_known_is_learned_by_the_place() -> None:
    known = known_card(serial="", attributes={"model": "NVIDIA L40S"})
    lines = differences([found_host(found_card(), settings={})], [known_host(known)], asked="host")
    changes = {(c.place, c.name, c.new) for line in lines for c in line.changes}
    assert changes == {
        ("serial", "serial", GPU),
        ("attributes", "uuid", GPU),
        ("attributes", "pci", "0000:65:00.0"),
    }
    assert all(line.kind == "changed" for line in lines)


def test_the_uuid_in_place_of_a_serial_number_that_was_not_seen_is_no_change() -> None:
    known = known_card(serial="1322021000001", attributes={"model": "NVIDIA L40S", "uuid": GPU})
    found = found_card(serial=GPU, attributes={"model": "NVIDIA L40S", "uuid": GPU})
    assert differences([found_host(found, settings={})], [known_host(known)], asked="host") == ()


def test_each_changed_field_is_a_line_of_its_own_with_old_and_new() -> None:
    found = found_card(
        attributes={"model": "NVIDIA H100", "cuda_cores": 18176}, settings={"pci": "0000:65:00.0"}
    )
    known = known_card(attributes={"model": "NVIDIA L40S", "cuda_cores": 100})
    lines = differences([found_host(found, settings={})], [known_host(known)], asked="host")
    changes = [(c.name, c.old, c.new) for line in lines for c in line.changes]
    assert changes == [("model", "NVIDIA L40S", "NVIDIA H100"), ("cuda_cores", 100, 18176)]


def test_what_was_not_seen_this_time_is_unknown_and_not_changed() -> None:
    found = found_card(serial="", attributes={"model": "NVIDIA L40S", "uuid": None})
    assert differences([found_host(found, settings={})], [known_host(known_card())], asked="host") == ()


def test_round_figures_of_an_operator_are_not_wrong() -> None:
    known = known_card(attributes={"model": "L40S", "uuid": GPU, "memory_gib": 48})
    near = found_card(attributes={"model": "NVIDIA L40S", "memory_gib": 44.7})
    far = found_card(attributes={"model": "NVIDIA L40S", "memory_gib": 23.0})
    assert differences([found_host(near, settings={})], [known_host(known)], asked="host") == ()
    assert said(*differences([found_host(far, settings={})], [known_host(known)], asked="host")) == [
        ("changed", known.name)
    ]


def test_a_changed_baseline_is_a_line_like_any_other() -> None:
    before = {"ecc_enabled": True, "power_limit_w": 350.0, "errors": {"retired_pages": 0}}
    known = known_card(all_settings={"pci": "0000:65:00.0", "baseline": before})
    same = found_card(settings={"pci": "0000:65:00.0", "baseline": {**before, "vbios": None}})
    other = found_card(settings={"pci": "0000:65:00.0", "baseline": {**before, "power_limit_w": 300.0}})
    assert differences([found_host(same, settings={})], [known_host(known)], asked="host") == ()
    (line,) = differences([found_host(other, settings={})], [known_host(known)], asked="host")
    assert [change.name for change in line.changes] == ["baseline"]


def known_slice(uuid: str, *, in_service: bool = True) -> Known:
    return Known(
        id=uuid,
        name=f"Slice {uuid}",
        kind="gpu_slice",
        serial=uuid,
        all_settings={"pci": "0000:65:00.0", "mig_uuid": uuid},
        in_service=in_service,
    )


def found_slice(uuid: str) -> FoundDevice:
    return FoundDevice(
        name=uuid,
        kind="gpu_slice",
        model="NVIDIA H100 MIG 1g.10gb",
        serial=uuid,
        settings={"pci": "0000:65:00.0", "mig_uuid": uuid},
    )


def test_slices_that_were_cut_anew_are_new_and_the_retired_ones_are_missing() -> None:
    card = replace(known_card(), parts=(known_slice("MIG-a"), known_slice("MIG-b")))
    found = found_card(parts=(found_slice("MIG-b"), found_slice("MIG-c")))
    lines = differences([found_host(found, settings={})], [known_host(card)], asked="host")
    assert sorted(said(*lines)) == [("missing", "Slice MIG-a"), ("new", "MIG-c")]
    assert next(line for line in lines if line.kind == "new").whole == card.id


def test_a_card_that_nobody_looked_into_says_nothing_of_its_slices() -> None:
    card = replace(known_card(), parts=(known_slice("MIG-a"),))
    passed_through = found_card(serial="")
    looked_into = found_card(settings={"pci": "0000:65:00.0", "baseline": {"mig_enabled": False}})
    lines = differences([found_host(passed_through, settings={})], [known_host(card)], asked="host")
    assert lines == ()
    lines = differences([found_host(looked_into, settings={})], [known_host(card)], asked="host")
    assert ("missing", "Slice MIG-a") in said(*lines)


def test_a_card_of_another_host_is_new_here_and_says_whom_it_replaces() -> None:
    elsewhere = Known(id="other", name="Host 2", kind="gpu_host", parts=(known_card(),))
    lines = differences(
        [found_host(found_card("0000:b3:00.0"), settings={})], [known_host()], asked="host", others=[elsewhere]
    )
    assert [(line.kind, line.replaces) for line in lines] == [("new", "id-0000:65:00.0")]


def test_the_one_device_that_answers_is_the_one_that_was_asked_whatever_it_is_called() -> None:
    switch = Known(id="tofino", name="Tofino 1", kind="p4_switch", attributes={"model": "Wedge 100BF-32X"})
    found = FoundDevice(
        name="10.0.0.7-1",
        kind="p4_switch",
        model="P4Runtime 1.4.1 switch",
        attributes={"model": "P4Runtime 1.4.1 switch", "p4runtime_version": "1.4.1"},
    )
    (line,) = differences([found], [switch], asked="tofino")
    assert [change.name for change in line.changes] == ["p4runtime_version"], "its model is the operator's word"


def test_a_card_that_is_listed_without_its_host_is_compared_alone() -> None:
    card = known_card()
    assert differences([found_host(found_card())], [card], asked=card.id) == ()


def test_a_line_is_known_again_until_it_says_something_else() -> None:
    known = known_host(known_card(attributes={"model": "NVIDIA L40S", "cuda_cores": 1}))

    def line(cores: int) -> Line:
        found = found_card(attributes={"model": "NVIDIA L40S", "cuda_cores": cores})
        (only,) = differences([found_host(found, settings={})], [known], asked="host")
        return only

    assert line(2).fingerprint == line(2).fingerprint
    assert line(2).fingerprint != line(3).fingerprint
