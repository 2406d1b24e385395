"""What is particular to cards behind LXD and cannot be tried on a real daemon; the rest is in `test_on_both.py`."""

from dataclasses import replace

import pytest

from adapters.emulators.lxd import Fault, HostCard, Instance
from adapters.errors import DeviceBusy, DeviceRefused, InvalidSettings, OutcomeUnknown
from tests.adapters.gpu_lxd.conftest import A100, H100


def instance_of(lxd, order):
    return lxd.daemon.instances["default", f"shary-{order.lease_id}"]


def put(lxd, name, *, project="default", running=True, **more):
    """Put somebody else's instance on the server."""
    if project not in lxd.daemon.projects:
        lxd.daemon.projects[project] = replace(lxd.daemon.projects["default"], name=project)
    instance = Instance(name, project, running=running, **more)
    lxd.daemon.instances[instance.key] = instance
    return instance


# --- whose card it is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "device",
    [
        {"type": "gpu", "gputype": "physical", "pci": "0000:65:00.0"},
        {"type": "gpu", "gputype": "physical", "pci": "65:00.0"},
        {"type": "gpu", "id": "0"},
        {"type": "gpu", "vendorid": "10de", "productid": "2330"},
        {"type": "gpu"},
        {"type": "pci", "address": "0000:65:00.0"},
    ],
)
def test_a_card_in_a_running_instance_of_others_is_busy_however_it_is_named(
    adapter, lxd, target, order_for, device
):
    put(lxd, "vm1", project="figo-alice", devices={"gpu": device})

    with pytest.raises(DeviceBusy, match="figo-alice/vm1"):
        adapter.provision(order_for(target))
    assert [instance.name for instance in lxd.daemon.instances.values()] == ["vm1"]


@pytest.mark.parametrize(
    "device",
    [
        {"type": "gpu", "pci": "0000:b3:00.0"},
        {"type": "gpu", "id": "1"},
        {"type": "gpu", "productid": "20b0"},
        {"type": "disk", "path": "/", "pool": "default"},
    ],
)
def test_an_instance_with_another_card_is_not_in_the_way(adapter, lxd, target, order_for, device):
    put(lxd, "vm1", project="figo-alice", devices={"gpu": device})

    assert adapter.provision(order_for(target)).endpoints


def test_the_use_by_others_is_seen_but_is_no_lease(adapter, lxd, target):
    put(lxd, "vm1", devices={"gpu": {"type": "gpu", "pci": H100}})

    found = adapter.observe(target)

    assert (found.healthy, found.carries) == (True, None)
    assert "default/vm1" in found.detail


def test_an_instance_that_takes_the_card_in_between_wins_and_ours_is_switched_off(
    adapter, lxd, target, order_for
):
    order = order_for(target)
    theirs = put(lxd, "vm1", running=False, devices={"gpu": {"type": "gpu", "pci": H100}})
    start = lxd.daemon.switch

    def both(instance, action, *, force):
        theirs.running = True
        return start(instance, action, force=force)

    lxd.daemon.switch = both

    with pytest.raises(DeviceBusy, match="default/vm1"):
        adapter.provision(order)
    assert not instance_of(lxd, order).running
    assert theirs.running


def test_a_host_without_cards_cannot_be_lent(adapter, target_for, order_for):
    with pytest.raises(InvalidSettings, match="has no cards"):
        adapter.provision(order_for(target_for("gpu1")))


def test_two_slices_of_one_card_do_not_exclude_each_other(adapter, target_for, order_for):
    first, second, whole = (
        order_for(target_for("a", pci=H100, mig_uuid="MIG-1")),
        order_for(target_for("b", pci=H100, mig_uuid="MIG-2")),
        order_for(target_for("h100", pci=H100)),
    )
    adapter.provision(first)

    assert adapter.provision(second).endpoints
    with pytest.raises(DeviceBusy):
        adapter.provision(whole)


# --- the way in -----------------------------------------------------------------------------------


def test_a_key_that_came_with_the_image_opens_nothing(adapter, lxd, target, order_for, ssh_holder):
    order = order_for(target)
    create = lxd.daemon.create

    def with_a_key(project, wish):
        operation = create(project, wish)
        operation.finished.wait(5)
        made = lxd.daemon.instances[project, wish["name"]]
        file = type(made.files["/root"])(content=ssh_holder.public_key)
        made.files |= {"/root/.ssh": made.files["/root"], "/root/.ssh/authorized_keys": file}
        return operation

    lxd.daemon.create = with_a_key
    access = adapter.provision(order)

    assert not ssh_holder.can_enter(access)
    adapter.admit(order)
    assert ssh_holder.can_enter(access)


def test_a_port_that_something_else_has_is_passed_over(adapter, lxd, target_for, order_for, monkeypatch):
    listen = lxd.daemon._ssh.listen
    tried = []

    def first_two_are_taken(key, **way):
        tried.append(way["port"])
        if len(tried) <= 2:
            raise OSError(98, "Address already in use")
        return listen(key, **way)

    monkeypatch.setattr(lxd.daemon._ssh, "listen", first_two_are_taken)
    order = order_for(target_for(pci=H100))

    access = adapter.provision(order)

    assert access.endpoints[0].port == tried[2]
    assert len(set(tried)) == 3
    assert adapter.provision(order) == access


def test_a_range_of_ports_that_is_used_up_is_busy(adapter, target_for, order_for, settings):
    port = settings["ssh_ports"].split("-")[0]
    one = {"ssh_ports": f"{port}-{port}"}
    adapter.provision(order_for(target_for("h100", pci=H100, **one)))

    with pytest.raises(DeviceBusy, match="ports for ssh"):
        adapter.provision(order_for(target_for("a100", pci=A100, **one)))


def test_a_virtual_machine_is_reached_at_its_own_address(adapter, lxd, target_for, order_for):
    machine = {"instance_type": "virtual-machine", "ssh_ports": None, "ssh_host": None}
    order = order_for(target_for(pci=H100, **machine))
    (way,) = adapter.provision(order).endpoints
    adapter.admit(order)

    assert (way.host, way.port, way.command) == ("127.0.0.1", 22, "ssh root@127.0.0.1")
    adapter.isolate(order)
    adapter.provision(order)
    assert instance_of(lxd, order).files["/root/.ssh/authorized_keys"].content == ""
    assert adapter.release(order).is_clean


def test_a_holder_chooses_among_the_images_of_the_site(adapter, lxd, target_for, order_for):
    lxd.daemon.images.append("debian-gpu")
    target = target_for(pci=H100, more_images=["debian-gpu"])

    with pytest.raises(DeviceRefused, match="ubuntu-gpu, debian-gpu"):
        adapter.provision(order_for(target, parameters={"image": "somebody-elses"}))
    assert adapter.provision(order_for(target, parameters={"image": "debian-gpu"})).endpoints


# --- bad days -------------------------------------------------------------------------------------


def test_a_forgotten_operation_says_nothing_and_the_instance_is_looked_at(adapter, lxd, target, order_for):
    lxd.daemon.delay_s = 0.1
    lxd.faults.add(Fault("refuse", match="GET /1.0/operations/", status=404, words="Operation not found"))

    order = order_for(target)
    assert adapter.provision(order).endpoints
    assert adapter.release(order).is_clean


def test_a_daemon_that_just_started_is_waited_for(adapter, lxd, target, order_for):
    order = order_for(target)
    adapter.provision(order)
    lxd.restart(busy_s=0.3)

    adapter.isolate(order)

    assert not instance_of(lxd, order).running


def test_a_connection_that_breaks_after_the_request_is_an_unknown_outcome(adapter, lxd, target, order_for):
    order = order_for(target)
    lxd.faults.add(Fault("drop", match="POST /1.0/instances$", times=1))

    with pytest.raises(OutcomeUnknown):
        adapter.provision(order)
    assert adapter.provision(order).endpoints
    assert len(lxd.daemon.instances) == 1


def test_a_card_that_does_not_come_back_is_not_proven_clean(adapter, lxd, target_for, order_for):
    machine = {"instance_type": "virtual-machine", "ssh_ports": None}
    order = order_for(target_for(pci=H100, settle_s=0.3, **machine))
    adapter.provision(order)
    lxd.daemon.keep_cards_on_stop = 9

    proof = adapter.release(order)

    assert {check.name for check in proof.checks if not check.passed} == {f"place of {H100}"}
    lxd.daemon.stuck_cards.clear()
    assert adapter.release(order).is_clean


def test_a_card_that_a_machine_kept_once_is_taken_back_without_any_network(adapter, lxd, target_for, order_for):
    machine = {"instance_type": "virtual-machine", "ssh_ports": None}
    nic = {"type": "nic", "nictype": "macvlan", "parent": "eno1"}
    lxd.daemon.projects["default"].profiles["default"].devices["eth0"] = nic
    order = order_for(target_for(pci=H100, settle_s=0.3, **machine))
    adapter.provision(order)
    adapter.admit(order)
    lxd.daemon.keep_cards_on_stop = 1
    adapter.isolate(order)
    assert lxd.daemon.stuck_cards == {H100}
    switched = []
    switch = lxd.daemon.switch

    def watch(instance, action, *, force):
        switched.append((action, [one["type"] for one in lxd.daemon.devices_of(instance).values()]))
        return switch(instance, action, force=force)

    lxd.daemon.switch = watch

    assert adapter.release(order).is_clean
    assert switched == [("start", ["none", "gpu"]), ("stop", ["none", "gpu"])]
    assert lxd.daemon.stuck_cards == set()


# --- what NVML adds -------------------------------------------------------------------------------


@pytest.fixture
def local(machine, target_for):
    from adapters.emulators.nvml.build import FakeCard

    def has(**card):
        machine(FakeCard(pci=H100, uuid="GPU-1", serial="165", **card))

    has()
    return has, target_for(pci=H100, nvml_is_local=True, wipe_memory=False, settle_s=0.2)


def test_measurements_come_from_nvml_where_it_is_at_hand(adapter, local):
    has, target = local
    has(utilisation_percent=93, used_mib=40000)

    found = adapter.observe(target)

    assert found.healthy
    assert found.measurements["utilisation_percent"] == 93
    assert found.measurements["memory_used_mib"] == 40000


def test_a_card_that_fell_off_the_bus_is_not_healthy(adapter, local):
    has, target = local
    has(lost=True)

    found = adapter.observe(target)

    assert not found.healthy
    assert "lost" in found.detail


@pytest.mark.parametrize(
    ("trace", "what"),
    [
        ({"processes": ((4711, 10),)}, "processes"),
        ({"used_mib": 20000}, "memory in use"),
        ({"lost": True}, "use"),
    ],
)
def test_a_card_that_is_still_in_use_is_not_proven_clean(adapter, local, order_for, trace, what):
    has, target = local
    order = order_for(target)
    adapter.provision(order)
    has(**trace)

    proof = adapter.release(order)

    assert {check.name for check in proof.checks if not check.passed} == {f"{what} of {H100}"}
    has()
    assert adapter.release(order).is_clean


def test_a_card_whose_memory_fails_is_unfit(adapter, local):
    has, target = local
    has(remap_pending=True)

    found = adapter.observe(target)

    assert not found.healthy
    assert "waits to be remapped" in found.unfit
    assert found.unfit in found.detail


def test_new_errors_are_seen_by_the_baseline_that_was_discovered(adapter, local, target_for):
    has, _ = local
    (host,) = adapter.discover(target_for("gpu1", nvml_is_local=True))
    settings = host.parts[0].settings
    target = target_for(nvml_is_local=True, wipe_memory=False, settle_s=0.2, **settings)
    assert adapter.observe(target).unfit == ""
    assert "taken_at" not in settings["baseline"]

    has(ecc_aggregate=2)

    assert "2 × uncorrectable memory error" in adapter.observe(target).unfit
    of_host = target_for(cards=[H100], nvml_is_local=True, baselines={H100: settings["baseline"]})
    assert "2 × uncorrectable memory error" in adapter.observe(of_host).unfit


def test_what_a_lease_changed_on_the_card_is_put_back_or_fails_the_proof(
    adapter, local, machine, target_for, order_for
):
    (host,) = adapter.discover(target_for("gpu1", nvml_is_local=True))
    order = order_for(target_for(nvml_is_local=True, wipe_memory=False, settle_s=0.2, **host.parts[0].settings))
    adapter.provision(order)
    machine.now.change(0, compute_mode=3, power_mw=250_000)

    assert adapter.release(order).is_clean
    assert machine.now.things("gpu")[0]["power_mw"] == "700000"

    machine.now.change(0, compute_mode=3)
    machine.now.change_host(root=False)
    failed = {check.name: check.found for check in adapter.release(order).checks if not check.passed}
    assert failed == {f"compute mode of {H100}": "exclusive_process"}


def test_an_idle_card_is_cut_and_comes_back_with_its_slices(adapter, local):
    _, target = local

    card = adapter.reshape(target, ("3g.40gb", "1g.10gb"))

    assert sorted(part.model.rpartition(" ")[2] for part in card.parts) == ["1g.10gb", "3g.40gb"]
    assert {part.kind for part in card.parts} == {"gpu_slice"}
    assert card.settings["baseline"]["mig_enabled"] is True
    assert adapter.reshape(target, ("3g.40gb", "1g.10gb")) == card
    assert adapter.reshape(target, ()).parts == ()


def test_a_slice_is_measured_by_itself_and_missed_when_it_is_gone(adapter, local, target_for):
    from adapters.emulators.nvml.build import FakeSlice

    has, _ = local
    part = FakeSlice(uuid="MIG-1", model="NVIDIA H100 80GB HBM3 MIG 1g.10gb", used_mib=77)
    has(mig=True, slices=(part,), used_mib=5000)
    target = target_for(pci=H100, mig_uuid="MIG-1", instance_type="container", nvml_is_local=True)

    assert adapter.observe(target).measurements == {"memory_used_mib": 77, "memory_total_mib": 9984}
    has(mig=True)
    assert "has no slice MIG-1" in adapter.observe(target).detail


def test_a_card_that_an_instance_has_is_not_cut(adapter, local, lxd, order_for):
    _, target = local
    adapter.provision(order_for(target))

    with pytest.raises(DeviceBusy, match="cannot be cut"):
        adapter.reshape(target, ("3g.40gb",))


def test_only_a_worker_on_the_host_cuts_and_only_one_card(adapter, local, target_for):
    with pytest.raises(DeviceRefused, match="only be cut by a worker on its own host"):
        adapter.reshape(target_for(pci=H100), ("3g.40gb",))
    with pytest.raises(InvalidSettings, match="not one card"):
        adapter.reshape(target_for(cards=[H100], nvml_is_local=True), ("3g.40gb",))


def test_a_host_is_discovered_with_its_cards_and_their_slices(adapter, lxd, machine, target_for):
    from adapters.emulators.nvml.build import FakeCard, FakeSlice

    lxd.daemon.cards.append(HostCard(pci="0000:03:00.0", model="ASPEED", vendor_id="1a03"))
    part = FakeSlice(uuid="MIG-1", model="NVIDIA H100 80GB HBM3 MIG 1g.10gb", memory_mib=9856)
    machine(FakeCard(pci=H100, uuid="GPU-1", serial="165", mig=True, slices=(part,)))

    (host,) = adapter.discover(target_for("gpu1", nvml_is_local=True))

    assert (host.name, host.settings) == ("lxd-emulator", {"cards": [H100, A100]})
    h100, a100 = host.parts
    assert (h100.serial, h100.attributes["memory_gib"]) == ("165", 79.6)
    assert h100.parts[0].settings == {"pci": H100, "mig_uuid": "MIG-1"}
    # Three kinds, so that who asks for a card gets a card.
    assert [host.kind, h100.kind, h100.parts[0].kind] == ["gpu_host", "gpu", "gpu_slice"]
    # The card that NVML does not see, perhaps inside a virtual machine, is known from LXD.
    assert (a100.model, a100.settings, a100.parts) == ("NVIDIA A100 80GB PCIe", {"pci": A100}, ())
