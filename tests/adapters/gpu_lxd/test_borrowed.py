"""Cards lent to instances that holders have already: who may name one, and what happens to it."""

import os
from contextlib import suppress
from dataclasses import replace

import pytest

from adapters.emulators.lxd import Fault
from adapters.emulators.lxd.refusal import Refusal
from adapters.errors import AdapterError, DeviceBusy, DeviceRefused, OutcomeUnknown
from adapters.gpu_lxd.borrowed import Borrowing
from adapters.gpu_lxd.open_cards import Host
from adapters.gpu_lxd.settings import DESCRIPTION, settings_of
from tests.adapters.gpu_lxd.conftest import A100, H100
from tests.adapters.gpu_lxd.figo_site import figo_site

OWN = {"instance": "figo-ada/vm1"}
VM = "virtual-machine"


@pytest.fixture
def own_order(order_for, target):
    def make(instance="figo-ada/vm1", *, of=target, **wishes):
        return order_for(of, parameters={"instance": instance}, **wishes)

    return make


def start(adapter, order):
    adapter.provision(order)
    adapter.admit(order)


def cards_in(lxd, instance):
    return [card.pci for card in lxd.daemon.cards_of(instance)] if instance.running else []


def switches(lxd):
    """Note each start and stop from now on."""
    noted, switch = [], lxd.daemon.switch

    def note(instance, action, *, force):
        noted.append(f"{action}{' at once' if force and action == 'stop' else ''}")
        return switch(instance, action, force=force)

    lxd.daemon.switch = note
    return noted


# --- who may name an instance ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "mark",
    [
        {"user.shary.project": "testbed"},
        {"user.shary.project": "network, testbed"},
        {"user.shary.holder": "researcher@uni-a.example"},
    ],
)
@pytest.mark.parametrize("on", ["project", "instance"])
def test_a_mark_on_the_project_or_the_instance_lets_its_holders_in(adapter, lxd, own_order, mark, on):
    figo_site(lxd, mark=mark if on == "project" else {}, config=dict(mark) if on == "instance" else {})

    assert adapter.provision(own_order()).endpoints


@pytest.mark.parametrize(
    "mark",
    [
        {},
        {"user.shary.project": ""},
        {"user.shary.project": "testbed-2"},
        {"user.shary.holder": "researcher"},
        {"user.shary.holder": "testbed"},
    ],
)
def test_without_a_mark_nobody_may_and_the_operator_is_told_what_to_type(adapter, lxd, own_order, mark):
    vm = figo_site(lxd, mark=mark)

    with pytest.raises(DeviceRefused) as caught:
        adapter.provision(own_order())
    assert "lxc project set figo-ada user.shary.project=testbed" in str(caught.value)
    assert "lxc config set vm1 user.shary.holder=researcher@uni-a.example --project figo-ada" in str(
        caught.value
    )
    assert vm.config == {}


@pytest.mark.parametrize("written", ["figo-ada/vm1", "figo-ada.vm1"])
def test_the_instance_is_named_as_lxd_or_as_figo_writes_it(adapter, lxd, own_order, written):
    vm = figo_site(lxd)
    adapter.provision(own_order(written))

    assert vm.config["user.shary.lease"]


def test_a_name_alone_is_looked_for_in_the_sites_project(adapter, lxd, target_for, own_order):
    vm = figo_site(lxd)
    adapter.provision(own_order("vm1", of=target_for(pci=H100, project="figo-ada")))

    assert vm.config["user.shary.lease"]


def test_an_instance_that_is_not_there_is_refused_with_how_to_write_it(adapter, lxd, own_order):
    figo_site(lxd)

    with pytest.raises(DeviceRefused, match=r"no instance figo-ada/vm2.*project/name"):
        adapter.provision(own_order("figo-ada/vm2"))


def test_a_machine_of_a_lease_is_never_lent_to(adapter, lxd, own_order):
    figo_site(lxd, name="shary-0815", config={"user.shary.lease": "0815"})

    with pytest.raises(DeviceRefused, match="SHARY made"):
        adapter.provision(own_order("figo-ada/shary-0815"))


def test_an_instance_carries_one_lease_at_a_time(adapter, lxd, target_for, own_order):
    vm = figo_site(lxd)
    first = own_order()
    start(adapter, first)

    with pytest.raises(DeviceBusy, match=first.lease_id):
        adapter.provision(own_order(of=target_for("a100", pci=A100)))
    assert cards_in(lxd, vm) == [H100]


@pytest.mark.parametrize(("lends_to", "kind"), [("none", VM), ("container", VM), (VM, "container")])
def test_a_site_says_to_which_instances_it_lends(adapter, lxd, target_for, own_order, lends_to, kind):
    figo_site(lxd, type=kind)

    with pytest.raises(DeviceRefused, match=f"only, and figo-ada/vm1 is a {kind}"):
        adapter.provision(own_order(of=target_for(pci=H100, own_instances=lends_to)))


def test_a_slice_goes_into_containers_only(adapter, lxd, target_for, own_order):
    figo_site(lxd, type=VM)

    with pytest.raises(DeviceRefused, match="containers only"):
        adapter.provision(own_order(of=target_for(pci=H100, mig_uuid="MIG-1")))


# --- containers -------------------------------------------------------------------------------------


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
            pytest.skip("making device files needs root")

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


# --- virtual machines -------------------------------------------------------------------------------


def test_a_virtual_machine_is_shut_down_and_started_for_the_card_and_again_at_the_end(adapter, lxd, own_order):
    vm = figo_site(lxd, type=VM, config={"limits.cpu": "8"}, description="her data")
    noted = switches(lxd)
    order = own_order()
    adapter.provision(order)
    assert noted == []

    adapter.admit(order)
    assert (cards_in(lxd, vm), noted) == ([H100], ["stop", "start"])

    adapter.isolate(order)
    assert (cards_in(lxd, vm), vm.running, noted) == ([], True, ["stop", "start"] * 2)

    proof = adapter.release(order)
    assert proof.is_clean
    assert noted == ["stop", "start"] * 2
    left = {key: text for key, text in vm.config.items() if not key.startswith("volatile.")}
    assert (left, vm.description, vm.profiles) == ({"limits.cpu": "8"}, "her data", ["default"])
    assert any(
        "figo-ada/vm1" in check.name and check.found == "running, without the card" for check in proof.checks
    )


def test_what_does_not_shut_down_in_time_loses_its_power(adapter, lxd, own_order):
    vm = figo_site(lxd, type=VM)
    switch = lxd.daemon.switch

    def deaf(instance, action, *, force):
        if action == "stop" and not force:
            return lxd.daemon.operations.begin("Stopping instance", instance.name, refuse, after_s=0.01)
        return switch(instance, action, force=force)

    def refuse():
        raise Refusal(400, 'Failed shutting down instance, status is "Running": context deadline exceeded')

    lxd.daemon.switch = deaf
    order = own_order()
    start(adapter, order)

    assert cards_in(lxd, vm) == [H100]
    assert adapter.release(order).is_clean


def test_a_machine_that_its_holder_switched_off_stays_off_at_the_end(adapter, lxd, own_order):
    vm = figo_site(lxd, type=VM)
    order = own_order()
    start(adapter, order)
    vm.running = False

    adapter.admit(order)
    assert not vm.running, "an order that comes again does not switch it on"
    assert adapter.release(order).is_clean
    assert (vm.running, vm.devices) == (False, {})


def test_a_machine_that_does_not_come_back_without_the_card_is_proven_clean_all_the_same(
    adapter, lxd, own_order
):
    vm = figo_site(lxd, type=VM)
    order = own_order()
    start(adapter, order)
    switch = lxd.daemon.switch
    lxd.daemon.switch = lambda instance, action, *, force: (
        switch(instance, action, force=force) if action == "stop" else refuse_start()
    )

    def refuse_start():
        raise Refusal(500, "no memory left")

    assert adapter.release(order).is_clean
    assert (vm.running, vm.devices) == (False, {})


# --- breaking off half-way --------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(4))
@pytest.mark.parametrize("verb", ["admit", "release"])
@pytest.mark.parametrize("kind", ["container", VM])
def test_a_call_that_breaks_off_at_any_step_is_finished_by_the_next(adapter, lxd, own_order, kind, verb, step):
    vm = figo_site(lxd, type=kind)
    order = own_order()
    adapter.provision(order)
    if verb == "release":
        adapter.admit(order)
    changes = iter(range(100))
    strike = lxd.faults.hit

    def crash(request):
        if not request.startswith("GET ") and next(changes) >= step:
            return Fault("refuse", words="the worker is gone")
        return strike(request)

    lxd.faults.hit = crash
    with suppress(AdapterError):
        getattr(adapter, verb)(order)
    lxd.faults.hit = strike

    if verb == "admit":
        adapter.admit(order)
        assert cards_in(lxd, vm) == [H100]
        assert "user.shary.restart" not in vm.config
    assert adapter.release(order).is_clean
    assert (vm.running, cards_in(lxd, vm), vm.devices) == (True, [], {})
    assert not [key for key in vm.config if key.startswith("user.shary.")]


def test_a_machine_that_was_stopped_for_the_card_comes_back_when_the_lease_is_given_up(adapter, lxd, own_order):
    vm = figo_site(lxd, type=VM)
    order = own_order()
    adapter.provision(order)
    lxd.faults.add(Fault("refuse", match="PUT /1.0/instances/vm1/state", words="out of order"))
    with pytest.raises(AdapterError):
        adapter.admit(order)
    lxd.mend()
    vm.running = False
    assert vm.config["user.shary.restart"] == "pending"

    adapter.isolate(order)

    assert (vm.running, cards_in(lxd, vm)) == (True, [])


def test_a_change_by_somebody_else_in_between_is_kept(adapter, lxd, own_order):
    box = figo_site(lxd)
    update, order = lxd.daemon.update, own_order()

    def first_somebody_else(instance, wish, *, replace, if_match):
        lxd.daemon.update = update
        instance.config["limits.cpu"] = "4"
        return update(instance, wish, replace=replace, if_match=if_match)

    lxd.daemon.update = first_somebody_else
    adapter.provision(order)

    assert box.config["limits.cpu"] == "4"
    assert box.config["user.shary.lease"] == order.lease_id


# --- holders with ideas -----------------------------------------------------------------------------


def test_a_copy_of_the_instance_loses_the_card_too(adapter, lxd, own_order):
    box = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    copy = figo_site(lxd, name="copy", config=dict(box.config), devices=dict(box.devices))

    assert adapter.release(order).is_clean
    assert (cards_in(lxd, box), cards_in(lxd, copy)) == ([], [])


def test_an_instance_that_was_renamed_is_found_by_its_tags(adapter, lxd, own_order):
    box = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    del lxd.daemon.instances[box.key]
    box.name = "other"
    lxd.daemon.instances[box.key] = box

    assert adapter.release(order).is_clean
    assert cards_in(lxd, box) == []


def test_tags_that_were_taken_off_do_not_keep_the_card(adapter, lxd, own_order):
    box = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    box.config.clear()

    assert adapter.release(order).is_clean
    assert cards_in(lxd, box) == []


def test_a_second_device_for_the_lent_card_goes_with_the_first(adapter, lxd, own_order):
    box = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    box.devices["mine"] = {"type": "gpu", "pci": "65:00.0"}

    assert adapter.release(order).is_clean
    assert box.devices == {}


def test_an_instance_that_is_gone_is_no_hindrance(adapter, lxd, own_order):
    box = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    del lxd.daemon.instances[box.key]

    adapter.isolate(order)
    proof = adapter.release(order)
    assert proof.is_clean
    assert any(check.found == "gone" for check in proof.checks)


def test_what_was_changed_on_the_card_is_put_back(adapter, lxd, machine, target_for, own_order):
    from adapters.emulators.nvml.build import FakeCard

    machine(FakeCard(pci=H100))
    figo_site(lxd)
    target = target_for(
        pci=H100, nvml_is_local=True, settle_s=0.2, baseline={"compute_mode": "default", "power_limit_w": 700}
    )
    order = own_order(of=target)
    start(adapter, order)
    machine.now.change(0, compute_mode=3, power_mw=250_000)

    checks = {check.name: check.found for check in adapter.release(order).checks}

    assert checks[f"compute mode of {H100}"] == "default"
    assert checks[f"power limit of {H100}"] == "700 W"


def test_a_card_that_came_in_another_way_is_not_proven_clean(adapter, lxd, own_order):
    box = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    box.devices["all"] = {"type": "gpu"}

    failed = [check.name for check in adapter.release(order).checks if not check.passed]
    assert failed == [f"users of {H100}", "the holder's instance figo-ada/vm1"]


def test_ending_a_lease_that_never_began_does_not_touch_the_holders_own_use(adapter, lxd, own_order):
    vm = figo_site(lxd, devices={"mine": {"type": "gpu", "pci": "65:00.0"}})
    with pytest.raises(DeviceBusy, match="figo-ada/vm1, running, has the card without SHARY"):
        adapter.provision(own_order())
    noted = switches(lxd)

    adapter.isolate(own_order())
    assert not adapter.release(own_order()).is_clean

    assert (cards_in(lxd, vm), noted) == ([H100], [])


def test_a_rival_that_comes_with_the_start_wins_and_ours_gives_the_card_back(adapter, lxd, own_order):
    box = figo_site(lxd)
    theirs = figo_site(lxd, user="bob", running=False, devices={"gpu": {"type": "gpu", "pci": "65:00.0"}})
    order = own_order()
    adapter.provision(order)
    update = lxd.daemon.update

    def both(instance, wish, **more):
        theirs.running = True
        return update(instance, wish, **more)

    lxd.daemon.update = both
    with pytest.raises(DeviceBusy, match="figo-bob/vm1"):
        adapter.admit(order)
    assert cards_in(lxd, box) == []


def test_a_lie_about_the_start_is_found_out(adapter, lxd, own_order):
    figo_site(lxd, type=VM)
    order = own_order()
    adapter.provision(order)
    lxd.faults.add(Fault("lie", match="PUT /1.0/instances/vm1/state"))

    with pytest.raises(OutcomeUnknown):
        adapter.admit(order)


def test_a_new_end_is_written_on_the_instance(adapter, lxd, own_order):
    vm = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    later = replace(order, revision=2, ends_at=order.ends_at.replace(hour=23))
    adapter.provision(later)

    assert vm.config["user.shary.ends_at"] == later.ends_at.isoformat()
    assert cards_in(lxd, vm) == [H100]


# --- what is said before ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lends_to", "words"),
    [
        (VM, ["Your virtual machine “figo-ada/vm1” is restarted twice", "15 s is switched off"]),
        ("container", ["Your container “figo-ada/vm1” runs on"]),
        (
            "any",
            ["If “figo-ada/vm1” is a virtual machine, it is restarted", "If it is a container, it runs on"],
        ),
        ("none", ["fresh machines only"]),
    ],
)
def test_what_happens_to_the_instance_is_said_before(target_for, lends_to, words):
    (warning,) = DESCRIPTION.warn(target_for(pci=H100, own_instances=lends_to).settings, OWN)

    assert all(word in warning for word in words)


def test_a_slice_restarts_a_container(target_for):
    (warning,) = DESCRIPTION.warn(target_for(pci=H100, mig_uuid="MIG-1").settings, OWN)

    assert "Your container “figo-ada/vm1” is restarted twice" in warning


@pytest.mark.parametrize(
    "parameters", [{}, {"instance": ""}, {"image": "x"}, {"instance": "no such form!"}, {"x": 1}]
)
def test_of_a_fresh_machine_and_of_nonsense_there_is_nothing_to_say(target_for, parameters):
    assert DESCRIPTION.warn(target_for(pci=H100).settings, parameters) == ()
    assert DESCRIPTION.warn({}, OWN) == ()


@pytest.mark.parametrize(
    "written", ["a/b/c", "figo-ada/", "/vm1", "figo ada/vm1", "../vm1", "vm_1", "-vm", "vm1-"]
)
def test_what_is_no_name_of_an_instance_is_refused_in_the_form(written):
    assert DESCRIPTION.check_parameters({"instance": written})


def test_an_image_and_an_own_instance_exclude_each_other():
    (problem,) = DESCRIPTION.check_parameters({"instance": "figo-ada/vm1", "image": "debian"})

    assert "fresh machine" in problem.message


def test_a_card_that_never_came_back_to_its_host_is_not_promised(adapter, lxd, own_order):
    vm = figo_site(lxd, type=VM)
    lxd.daemon.stuck_cards.add(H100)

    with pytest.raises(DeviceBusy, match="with vfio-pci"):
        adapter.provision(own_order())
    assert vm.config == {}


def test_a_machine_that_does_not_start_with_the_card_runs_again_without_it(adapter, lxd, own_order):
    vm = figo_site(lxd, type=VM)
    order = own_order()
    adapter.provision(order)
    switch = lxd.daemon.switch

    def broken_card(instance, action, *, force):
        if action == "start" and lxd.daemon.cards_of(instance):
            raise Refusal(400, f"vfio {H100}: Device or resource busy")
        return switch(instance, action, force=force)

    lxd.daemon.switch = broken_card
    with pytest.raises(DeviceRefused, match="resource busy"):
        adapter.admit(order)
    assert not vm.running

    assert adapter.release(order).is_clean
    assert (vm.running, vm.devices) == (True, {})
