"""Cards lent to containers that holders have already."""

import os

import pytest

from adapters.gpu_lxd.borrowed import Borrowing
from adapters.gpu_lxd.open_cards import Host
from adapters.gpu_lxd.settings import settings_of
from tests.adapters.gpu_lxd.borrowing import cards_in, own_order, start, switches
from tests.adapters.gpu_lxd.conftest import A100, H100
from tests.adapters.gpu_lxd.figo_site import figo_site
from tests.lacking import give_up

__all__ = ["own_order"]


def test_a_container_runs_on_and_gets_the_card_at_the_start_only(adapter, lxd, own_order):
    box = figo_site(lxd)
    noted = switches(lxd)
    order = own_order()

    adapter.provision(order)
    assert cards_in(lxd, box) == []
    adapter.admit(order)

    assert cards_in(lxd, box) == [H100]
    assert noted == []


def test_a_container_is_restarted_at_the_end_where_nobody_can_see_what_it_still_has_open(
    adapter, lxd, own_order
):
    box = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    noted = switches(lxd)

    adapter.isolate(order)

    assert (cards_in(lxd, box), box.running) == ([], True)
    assert noted == ["stop", "start"]


@pytest.fixture
def host(tmp_path):
    """The files of a host with the card as number 3, and what processes have open there."""
    about = tmp_path / "proc/driver/nvidia/gpus" / H100 / "information"
    about.parent.mkdir(parents=True)
    about.write_text("Model: \t\t NVIDIA H100 80GB HBM3\nDevice Minor: \t 3\n")

    def opens(pid, node):
        folder = tmp_path / f"proc/{pid}/fd"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            os.mknod(folder / "7", 0o600 | 0o020000, os.makedev(*node))
        except PermissionError:
            give_up("making device files needs root")

    opens(100, (195, 255))
    return Host(root=tmp_path), opens


def on_the_host(adapter, target_for, host):
    settings = settings_of(target_for(pci=H100, nvml_is_local=True).settings)
    return Borrowing(settings=settings, secrets=adapter.secrets, host=host)


def test_a_container_runs_on_at_the_end_when_no_process_has_the_card_open(
    adapter, lxd, target_for, own_order, host
):
    box = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    noted = switches(lxd)

    on_the_host(adapter, target_for, host[0]).isolate(order)

    assert (cards_in(lxd, box), noted) == ([], [])
    assert "user.shary.restart" not in box.config


def test_a_container_whose_programs_still_have_the_card_open_is_restarted(
    adapter, lxd, target_for, own_order, host
):
    box = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    files, opens = host
    opens(4711, (195, 3))
    noted = switches(lxd)

    on_the_host(adapter, target_for, files).isolate(order)

    assert (cards_in(lxd, box), noted) == ([], ["stop", "start"])


def test_the_files_of_all_processes_tell_who_has_a_card_open(host):
    files, opens = host
    assert files.users_of([H100]) == ()
    opens(4711, (195, 3))
    opens(4712, (195, 2))

    assert files.users_of([H100]) == (4711,)
    assert files.users_of([A100]) is None, "of a card without a driver nothing is known"


def test_a_card_that_is_open_by_its_drawing_node_is_in_use_too(host, tmp_path):
    files, opens = host
    node = tmp_path / "sys/bus/pci/devices" / H100 / "drm/renderD128"
    node.mkdir(parents=True)
    (node / "dev").write_text("226:128\n")
    opens(4711, (226, 128))

    assert files.users_of([H100]) == (4711,)


def test_a_stopped_container_is_started_with_the_card_and_stays_up_without_it(adapter, lxd, own_order):
    box = figo_site(lxd, running=False)
    order = own_order()
    start(adapter, order)
    assert cards_in(lxd, box) == [H100]

    assert adapter.release(order).is_clean
    assert (box.running, cards_in(lxd, box)) == (True, [])
