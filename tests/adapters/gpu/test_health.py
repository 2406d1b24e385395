"""When a card may be lent, from what it counts."""

import pytest

from adapters.gpu import ErrorCounters
from adapters.gpu.health import MemoryRepair, judge
from adapters.gpu.xid import XIDS, other_words, unfit_words, words_for

BEFORE = ErrorCounters(
    ecc_uncorrected_aggregate=2,
    ecc_uncorrected_volatile=2,
    retired_pages=1,
    remapped_rows_uncorrectable=1,
    remapped_rows_correctable=1,
)


def test_old_errors_do_not_count_against_a_card():
    assert judge(counters=BEFORE, baseline=BEFORE).ok
    assert judge(counters=BEFORE, baseline=None).ok


@pytest.mark.parametrize(
    "name",
    ["ecc_uncorrected_aggregate", "ecc_uncorrected_volatile", "retired_pages", "remapped_rows_uncorrectable"],
)
def test_new_errors_make_it_unfit(name):
    counters = ErrorCounters(**{name: getattr(BEFORE, name) + 1})

    assert "New since the baseline: 1 ×" in judge(counters=counters, baseline=BEFORE).unfit


def test_rows_remapped_as_a_precaution_and_unknown_counters_are_no_fault():
    assert judge(counters=ErrorCounters(remapped_rows_correctable=9), baseline=BEFORE).ok
    assert judge(counters=ErrorCounters(), baseline=BEFORE).ok
    assert judge(counters=BEFORE, baseline=ErrorCounters()).ok


def test_all_reasons_are_told_the_grave_ones_first():
    health = judge(
        counters=ErrorCounters(),
        repair=MemoryRepair(remap_pending=True),
        xids=(31, 79, 79),
        slowdowns=("it is too hot",),
    )

    assert [complaint[:30] for complaint in health.complaints] == [
        "A row of its memory waits to b",
        "The driver reported Xid 79, th",
        "The card is slowed down: it is",
        "The driver reported Xid 31, me",
    ]
    assert health.unfit == " ".join(health.complaints[:2])


@pytest.mark.parametrize("number", [48, 64, 74, 79, 92, 94, 95, 119, 154])
def test_grave_numbers_keep_a_card_from_being_lent(number):
    assert unfit_words([number])
    assert other_words([number]) == ()


@pytest.mark.parametrize("number", [13, 31, 43, 45, 63, 99999])
def test_the_programs_own_faults_and_unlisted_numbers_do_not(number):
    assert unfit_words([number]) == ()
    assert other_words([number]) == (f"The driver reported {words_for(number)}.",)


def test_every_entry_has_its_reason():
    assert all(xid.reason and xid.meaning and number == xid.number for number, xid in XIDS.items())
