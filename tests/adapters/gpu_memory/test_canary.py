"""One tenant writes a mark over a whole card; the next one finds it, or does not."""

import pytest

from adapters.emulators.cuda.build import FakeCudaSlice
from adapters.gpu_memory import search, wipe, wipe_report
from tests.adapters.gpu_memory.emulated import MARK, PCI, UUID

SLICE = "MIG-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
NEIGHBOUR = "MIG-aaaaaaaa-bbbb-cccc-dddd-ffffffffffff"


def test_without_a_wipe_the_next_tenant_finds_the_mark_all_over_the_card(cuda_machine):
    had, _ = cuda_machine.tenant("paint")

    assert had == 62 << 20
    assert cuda_machine.tenant("look") == (had, had // 16)


@pytest.mark.parametrize("device", [PCI, UUID])
def test_after_a_wipe_the_next_tenant_finds_nothing_of_it(cuda_machine, device):
    cuda_machine.tenant("paint")

    checks = wipe(device, leave_mib=2)

    assert [check.passed for check in checks] == [True, True]
    assert "a kernel on the card" in checks[0].method
    assert cuda_machine.tenant("look") == (62 << 20, 0)


def test_no_byte_that_a_tenant_can_reach_is_anything_but_zero_after_a_wipe(cuda_machine):
    cuda_machine.tenant("paint")
    wipe(PCI)

    had, zeros = cuda_machine.tenant("look", mark=bytes(16))

    assert zeros * 16 == had
    # What is left of the mark is where the driver had its own.
    assert (cuda_machine.folder / "memory").read_bytes().count(MARK) == 0


def test_a_wipe_without_a_kernel_copies_the_memory_back_and_says_so(cuda_machine):
    cuda_machine.has(no_cubin=True)
    cuda_machine.tenant("paint")

    checks = wipe(PCI, leave_mib=2)

    assert all(check.passed for check in checks)
    assert (
        "copying it back (the driver does not take the kernel, CUDA_ERROR_NO_BINARY_FOR_GPU)"
        in checks[0].method
    )
    assert cuda_machine.tenant("look")[1] == 0


@pytest.mark.parametrize("no_cubin", [False, True])
def test_a_search_counts_the_marks_of_the_tenant_before_and_leaves_them(cuda_machine, no_cubin):
    cuda_machine.has(no_cubin=no_cubin)
    had, marks = cuda_machine.tenant("paint")

    report = search(PCI, MARK)

    assert (report.read_bytes, report.marks, report.trouble) == (had, marks, "")
    assert cuda_machine.tenant("look")[1] > 0
    wipe(PCI)
    assert search(PCI, MARK).marks == 0


def test_a_slice_is_wiped_and_its_neighbour_is_not_touched(cuda_machine):
    cuda_machine.has(
        mig=True,
        reserve_mib=1,
        slices=(
            FakeCudaSlice(uuid=SLICE, start_mib=0, memory_mib=16),
            FakeCudaSlice(uuid=NEIGHBOUR, start_mib=16, memory_mib=16),
        ),
    )
    for part in (SLICE, NEIGHBOUR):
        cuda_machine.tenant("paint", part)

    checks = wipe(SLICE, leave_mib=1)

    assert all(check.passed for check in checks)
    assert cuda_machine.tenant("look", SLICE) == (15 << 20, 0)
    assert cuda_machine.tenant("look", NEIGHBOUR) == (15 << 20, (15 << 20) // 16)


def test_a_card_that_is_cut_is_not_taken_for_whole(cuda_machine):
    cuda_machine.has(mig=True, slices=(FakeCudaSlice(uuid=SLICE, start_mib=0, memory_mib=16),))

    report = wipe_report(PCI)

    assert "cut into MIG slices" in report.trouble
    assert report.proven_bytes == 0
