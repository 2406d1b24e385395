"""Errors that the driver reports: heard while they happen, and read from the kernel's log."""

import threading

from adapters.emulators.nvml.build import FakeCard
from adapters.nvml.events import CardEvent, watching
from adapters.nvml.kernel_log import xids_in_kernel_log

H100, A100 = "0000:65:00.0", "0000:b3:00.0"


def test_who_listens_hears_of_errors_once_with_card_and_slice(machine):
    machine(FakeCard(pci=H100, uuid="GPU-1"), FakeCard(pci=A100, uuid="GPU-2"))
    with watching() as watcher:
        assert watcher.drain() == ()
        machine.now.report(1, 94, gpu_instance=3)
        machine.now.report(0, 48)

        heard = watcher.drain()

        assert heard == (CardEvent(pci=A100, xid=94, gpu_instance=3), CardEvent(pci=H100, xid=48))
        assert watcher.drain() == ()


def test_what_happened_before_is_not_heard(machine):
    machine(FakeCard(pci=H100))
    machine.now.report(0, 79)

    with watching() as watcher:
        assert watcher.drain() == ()


def test_who_waits_is_woken_by_the_first_error(machine):
    machine(FakeCard(pci=H100))
    with watching() as watcher:
        later = threading.Timer(0.05, machine.now.report, (0, 79))
        later.start()

        heard = watcher.wait(10)

        later.join()
    assert [event.xid for event in heard] == [79]


def test_the_last_words_of_a_card_that_is_lost_are_heard(machine):
    machine(FakeCard(pci=H100))
    with watching() as watcher:
        machine.now.report(0, 79)
        machine.now.change(0, lost=True)

        assert watcher.drain() == (CardEvent(pci=H100, xid=79),)
        assert watcher.drain() == ()


def test_a_card_that_answers_nothing_is_named_as_unwatched(machine):
    machine(FakeCard(pci=H100, broken=True), FakeCard(pci=A100))
    with watching() as watcher:
        machine.now.report(1, 31)

        assert watcher.unwatched == (0,)
        assert [event.pci for event in watcher.drain()] == [A100]


def test_the_kernels_log_is_read_for_one_card_and_from_a_moment_on(tmp_path):
    log = tmp_path / "kmsg"
    log.write_text(
        "6,1,1000000,-;Linux version 6.1\n"
        "3,2,2000000,-;NVRM: Xid (PCI:0000:65:00): 79, pid='<unknown>', GPU has fallen off the bus.\n"
        "3,3,3000000,-;NVRM: Xid (PCI:0000:b3:00): 31, pid=4711, name=python\n"
        "3,4,4000000,-;NVRM: Xid (PCI:0000:65:00): 48, pid=4711, An uncorrectable double bit error\n"
        " SUBSYSTEM=pci\n"
    )

    assert xids_in_kernel_log(H100, log=log) == (79, 48)
    assert xids_in_kernel_log(H100, log=log, since_uptime_s=3) == (48,)
    assert xids_in_kernel_log("0000:01:00.0", log=log) == ()


def test_a_log_that_may_not_be_read_is_unknown_not_empty(tmp_path):
    assert xids_in_kernel_log(H100, log=tmp_path / "none") is None
