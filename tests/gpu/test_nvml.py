"""Inventory, health and topology of real cards, held against nvidia-smi. Changes nothing on them."""

import ctypes
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pynvml
import pytest

import adapters.nvml
from adapters.gpu.geometry import profiles_of
from adapters.nvml import driver_of, health_of, idle_checks, read_machine, take_baseline, topology
from adapters.nvml.events import watching
from adapters.pci import normal_form

pytestmark = pytest.mark.gpu

UNSAID = re.compile(r"N/A|\[.*\]|.*(deprecated|not supported).*", re.IGNORECASE)


@pytest.fixture(scope="module", autouse=True)
def untouched(cards) -> Iterator[None]:
    """No mode of any card may be another one afterwards."""

    def modes() -> list[dict]:
        every = [take_baseline(card.pci).as_settings() for card in cards if not card.lost]
        return [{key: value for key, value in one.items() if key != "taken_at"} for one in every]

    before = modes()
    yield
    assert modes() == before


def said(gpu, *paths: str) -> str | None:
    """Return what nvidia-smi says at the first of the paths that has an answer; drivers rename them."""
    for path in paths:
        text = (gpu.findtext(path) or "").strip()
        if text and not UNSAID.fullmatch(text):
            return text
    return None


def number(text: str | None) -> float | None:
    return None if text is None else float(text.split()[0])


def test_all_cards_are_there_in_normal_form(cards, smi):
    assert sorted(card.pci for card in cards) == sorted(normal_form(gpu.get("id")) for gpu in smi.iter("gpu"))
    assert smi.findtext("driver_version") == cards[0].driver_version
    if said(smi, "cuda_version"):
        assert smi.findtext("cuda_version") == cards[0].cuda_version


def test_every_value_is_the_one_that_nvidia_smi_shows(cards, smi):
    by_address = {card.pci: card for card in cards}
    for gpu in smi.iter("gpu"):
        card = by_address[normal_form(gpu.get("id"))]
        pairs = {
            "model": (card.model, said(gpu, "product_name")),
            "uuid": (card.uuid, said(gpu, "uuid")),
            "serial": (card.serial or None, said(gpu, "serial")),
            "vbios": (card.vbios, said(gpu, "vbios_version")),
            "memory": (card.memory_total_mib, number(said(gpu, "fb_memory_usage/total"))),
            "persistence": (card.persistence, _enabled(said(gpu, "persistence_mode"))),
            "compute mode": (card.compute_mode, _compute_mode(said(gpu, "compute_mode"))),
            "MIG": (
                card.mig_enabled if card.mig_capable else None,
                _enabled(said(gpu, "mig_mode/current_mig")),
            ),
            "ECC": (card.ecc_enabled, _enabled(said(gpu, "ecc_mode/current_ecc"))),
            "power limit": (
                card.power.current_w,
                number(said(gpu, "gpu_power_readings/current_power_limit", "power_readings/power_limit")),
            ),
            "default power": (
                card.power.default_w,
                number(
                    said(gpu, "gpu_power_readings/default_power_limit", "power_readings/default_power_limit")
                ),
            ),
            "highest clock": (
                card.clocks.highest_graphics_mhz,
                number(said(gpu, "max_clocks/graphics_clock")),
            ),
            "highest memory clock": (
                card.clocks.highest_memory_mhz,
                number(said(gpu, "max_clocks/mem_clock")),
            ),
            "application clock": (
                card.clocks.application_graphics_mhz,
                number(said(gpu, "applications_clocks/graphics_clock")),
            ),
        }
        # nvidia-smi calls the same thing unknown under more names than one: what it says counts.
        assert {name: pair for name, pair in pairs.items() if pair[1] is not None and pair[0] != pair[1]} == {}
        assert sum(pair[1] is not None for pair in pairs.values()) >= 6


def test_counters_are_those_of_nvidia_smi(cards, smi):
    by_address = {normal_form(gpu.get("id")): gpu for gpu in smi.iter("gpu")}
    for card in cards:
        counters = health_of(card.pci).counters
        shown = said(by_address[card.pci], "remapped_rows/remapped_row_unc")
        if shown is not None and counters.remapped_rows_uncorrectable is not None:
            assert counters.remapped_rows_uncorrectable == int(shown)
        if card.ecc_enabled:
            assert counters.ecc_uncorrected_aggregate is not None


def test_the_cards_are_sound(cards):
    for card in cards:
        assert health_of(card.pci).unfit == ""


def test_the_topology_has_every_pair_once(cards):
    found = topology()

    assert [place.pci for place in found.places] == [card.pci for card in cards]
    assert len(found.pairs) == len(cards) * (len(cards) - 1) // 2
    assert all(pair.common for pair in found.pairs)


def test_kernel_and_nvml_agree(cards):
    shown = {card.pci: card for card in read_machine()}
    for card in cards:
        driver = driver_of(card.pci)
        if driver is not None:  # in a container the kernel may hide its devices
            assert (shown[card.pci].driver, shown[card.pci].presence.value) == ("nvidia", "seen")


def test_a_card_is_as_its_own_baseline_says(cards):
    for card in cards:
        baseline = take_baseline(card.pci)
        checks = idle_checks(card.pci, baseline=baseline, idle_memory_mib=card.memory_total_mib)
        assert [check for check in checks if not check.passed and not check.name.startswith("processes")] == []


def test_who_listens_for_errors_is_registered(cards):
    with watching() as watcher:
        assert watcher.unwatched == ()
        assert watcher.drain() == ()


def test_the_real_library_has_every_function_that_is_called(cards):
    library = ctypes.CDLL("libnvidia-ml.so.1")
    missing = []
    for file in Path(adapters.nvml.__file__).parent.glob("*.py"):
        for name in set(re.findall(r"pynvml\.(nvml[A-Z]\w+)", file.read_text())):
            function = getattr(pynvml, name, None)
            if callable(function):
                source = inspect.getsource(inspect.unwrap(function))
                symbols = re.findall(r'_nvmlGetFunctionPointer\("(\w+)"\)', source)
                if symbols and not any(hasattr(library, symbol) for symbol in symbols):
                    missing.append(name)

    assert missing == []


def test_what_a_cut_card_offers_is_what_the_portal_knows(cards):
    """Only where MIG is on: the card does not say before, and is not switched for a test."""
    from adapters.nvml import mig
    from adapters.nvml.library import handle_at, library

    cut = [card for card in cards if card.mig_enabled and profiles_of(card.model)]
    if not cut:
        pytest.skip("MIG is on for none of the cards.")
    with library():
        for card in cut:
            offered = {o.name: (o.compute_slices, o.size, o.most) for o in mig.offers_of(handle_at(card.pci))}
            known = {p.name: (p.compute_slices, p.memory_slices, p.max_count) for p in profiles_of(card.model)}
            assert {name: offered.get(name) for name in known} == known


def _enabled(text: str | None) -> bool | None:
    return None if text is None else text == "Enabled"


def _compute_mode(text: str | None) -> str | None:
    return None if text is None else text.lower().replace(" ", "_")
