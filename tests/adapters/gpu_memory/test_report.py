"""How much of a card may be out of reach of a wipe that proves it clean."""

import pytest

from adapters.gpu_memory import Pass, WipeReport, checks_of, usual_leave_mib

MIB = 1 << 20


@pytest.mark.parametrize(
    ("total_mib", "leave_mib"),
    [(81079, 1024), (143167, 1431), (15109, 1024), (4864, 729), (64, 9)],
    ids=["H100", "H200", "T4", "slice of an A100", "emulated"],
)
def test_large_cards_may_keep_more_and_small_slices_less(total_mib, leave_mib):
    assert usual_leave_mib(total_mib * MIB) == leave_mib


@pytest.mark.parametrize(("reached_mib", "passed"), [(80055, True), (80054, False)])
def test_a_wipe_that_leaves_more_is_no_proof(reached_mib, passed):
    done = tuple(
        Pass(pattern=name, filled_bytes=reached_mib * MIB, read_bytes=reached_mib * MIB)
        for name in ("a", "b", "c")
    )

    reached, held = checks_of("GPU-1", WipeReport(total_bytes=81079 * MIB, passes=done))

    assert (reached.passed, held.passed) == (passed, True)


def test_what_was_filled_and_not_read_does_not_count():
    filled = [Pass(pattern=name, filled_bytes=64 * MIB, read_bytes=64 * MIB) for name in ("a", "b")]
    report = WipeReport(total_bytes=64 * MIB, passes=(*filled, Pass(pattern="zeros", filled_bytes=64 * MIB)))

    assert report.proven_bytes == 0
    assert not any(check.passed for check in checks_of("GPU-1", report))
