"""On a real card: one tenant writes a mark over all of it, and the next one finds none of it.

It takes all memory of each idle card for some seconds, and changes nothing else.
"""

import os
import secrets
import subprocess
import sys

import pytest

from adapters.gpu_memory import checks_of, search, wipe_report
from adapters.gpu_memory.report import GIB

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(1800)]


@pytest.fixture
def devices(cards) -> list[str]:
    """The idle cards, and the slices of those that are cut."""
    pytest.importorskip("cuda.bindings.driver", reason="cuda-bindings is not installed here")
    idle = [card for card in cards if not card.lost and not card.processes]
    if not idle:
        pytest.skip("Every card is in use: a canary would take their memory away.")
    return [
        uuid
        for card in idle
        for uuid in ([part.uuid for part in card.slices] if card.mig_enabled else [card.uuid])
    ]


def tenant(verb: str, device: str, mark: bytes) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.gpu.tenant", verb, device, mark.hex()],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": device},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    had, found = done.stdout.split()
    return int(had), int(found)


def test_the_next_tenant_finds_nothing_of_the_mark_of_the_one_before(devices, capsys):
    for device in devices:
        mark = secrets.token_bytes(16)
        had, painted = tenant("paint", device, mark)
        assert painted * 16 == had > 0

        # The driver may have cleared what was freed; what it left is said, and either is right here.
        left = search(device, mark)
        assert left.trouble == ""
        report = wipe_report(device, budget_s=600)
        checks = checks_of(device, report)

        with capsys.disabled():
            print(  # noqa: T201 - figures for whoever runs it
                f"\n{report.model} {device}: "
                f"wiped {report.proven_bytes / GIB:.1f} of {report.total_bytes / GIB:.1f} GiB, "
                f"filled at {report.fill_gib_per_s:.0f} GiB/s, read at {report.read_gib_per_s:.0f} GiB/s "
                f"by {report.reader}; marks before the wipe: {left.marks}"
            )
        assert [check for check in checks if not check.passed] == []
        assert search(device, mark).marks == 0
        assert tenant("look", device, mark)[1] == 0


def test_a_search_finds_a_mark_that_is_there(devices):
    """Holds the search itself against the card: zeros are all that a wipe leaves."""
    for device in devices:
        wipe_report(device, budget_s=600)
        report = search(device, bytes(16))

        assert report.reader == "a kernel on the card"
        assert report.marks * 16 > 0.99 * report.read_bytes
