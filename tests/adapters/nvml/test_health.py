"""Whether a card may be lent, read through the real pynvml."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from adapters.emulators.nvml.build import STATE_VARIABLE, FakeCard, FakeSlice
from adapters.gpu import CardBaseline, ErrorCounters
from adapters.nvml import NvmlUnavailable, health_of, take_baseline

H100 = "0000:65:00.0"


def test_a_sound_card_is_fit_and_nothing_is_to_complain_of(machine):
    machine(FakeCard(pci=H100))

    health = health_of(H100)

    assert (health.ok, health.unfit, health.complaints) == (True, "", ())
    assert health.counters == ErrorCounters(
        ecc_uncorrected_aggregate=0,
        ecc_uncorrected_volatile=0,
        remapped_rows_uncorrectable=0,
        remapped_rows_correctable=0,
    )


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ({"remap_pending": True}, "waits to be remapped"),
        ({"remap_failed": True}, "could not be remapped"),
        ({"retired_pages": 1, "retirement_pending": True}, "waits to be retired"),
        ({"lost": True}, "cannot be reached"),
        ({"broken": True}, "GPU requires restart"),
    ],
)
def test_trouble_that_the_card_itself_tells_of_makes_it_unfit(machine, trouble, words):
    machine(FakeCard(pci=H100, **trouble))

    health = health_of(H100)

    assert words in health.unfit
    assert not health.ok


@pytest.mark.parametrize(
    "grown",
    [
        {"ecc_aggregate": 4},
        {"ecc_volatile": 2},
        {"remap_unc": 2},
        {"retired_dbe": 6},
    ],
)
def test_errors_that_came_after_the_baseline_make_it_unfit_and_those_before_do_not(machine, grown):
    machine(FakeCard(pci=H100, ecc_aggregate=3, ecc_volatile=1, remapped_uncorrectable=1, retired_pages=5))
    baseline = take_baseline(H100)
    assert health_of(H100, baseline=baseline).unfit == ""

    machine.now.change(0, **grown)

    assert "New since the baseline" in health_of(H100, baseline=baseline).unfit


def test_a_volatile_counter_that_began_anew_counts_from_zero(machine):
    machine(FakeCard(pci=H100, ecc_volatile=0))
    before = CardBaseline(errors=ErrorCounters(ecc_uncorrected_volatile=5))
    assert health_of(H100, baseline=before).unfit == ""

    machine.now.change(0, ecc_volatile=3)

    assert "3 × uncorrectable memory error since" in health_of(H100, baseline=before).unfit


def test_errors_of_the_driver_make_unfit_by_the_table(machine):
    machine(FakeCard(pci=H100))

    grave, light = health_of(H100, xids=(79, 31)), health_of(H100, xids=(31, 63))

    assert "Xid 79, the GPU has fallen off the bus" in grave.unfit
    assert light.unfit == ""
    assert len(light.complaints) == 2


def test_heat_is_a_complaint_and_a_chosen_limit_is_none(machine):
    too_hot, power_cap = 0x40, 0x4
    machine(FakeCard(pci=H100, clocks_event_reasons=too_hot))
    hot = health_of(H100)
    machine.now.change(0, reasons=power_cap)

    assert (hot.unfit, hot.complaints) == ("", ("The card is slowed down: it is too hot (hardware).",))
    assert health_of(H100).ok


def test_a_card_that_is_cut_tells_nothing_of_its_rows_and_is_not_unfit_for_that(machine):
    part = FakeSlice(uuid="MIG-1", model="NVIDIA H100 80GB HBM3 MIG 3g.40gb")
    machine(FakeCard(pci=H100, mig=True, slices=(part,), remap_pending=True))

    health = health_of(H100)

    assert (health.unfit, health.counters.remapped_rows_uncorrectable) == ("", None)


def test_unknown_is_not_unfit(machine, monkeypatch):
    assert health_of(H100).unfit == ""
    assert not health_of(H100).ok

    monkeypatch.delenv(STATE_VARIABLE)
    with pytest.raises(NvmlUnavailable):
        health_of(H100)


def test_what_the_kernel_logged_since_the_baseline_counts_and_what_came_before_does_not(machine, tmp_path):
    machine(FakeCard(pci=H100))
    now_us = round(time.clock_gettime(time.CLOCK_MONOTONIC) * 1_000_000)
    log = tmp_path / "kmsg"
    log.write_text(f"3,2,{now_us},-;NVRM: Xid (PCI:{H100[:-2]}): 79, pid=4711\n")

    def unfit_with(minutes: int) -> str:
        baseline = CardBaseline(taken_at=datetime.now(UTC) + timedelta(minutes=minutes))
        return health_of(H100, baseline=baseline, kernel_log=log).unfit

    def unfit_after(minutes: int) -> str:
        since = datetime.now(UTC) + timedelta(minutes=minutes)
        return health_of(H100, kernel_log=log, since=since).unfit

    assert "Xid 79" in unfit_after(minutes=-1)
    assert unfit_after(minutes=1) == ""
    assert "Xid 79" in unfit_with(minutes=-1)
    assert unfit_with(minutes=1) == ""
    assert health_of(H100, baseline=CardBaseline(), kernel_log=log).unfit == ""
    assert health_of(H100, kernel_log=log).unfit == ""
