"""Who may name an instance of their own, and what is said before."""

import pytest

from adapters.emulators.lxd.refusal import Refusal
from adapters.errors import DeviceBusy, DeviceRefused
from adapters.gpu_lxd.settings import DESCRIPTION
from tests.adapters.gpu_lxd.borrowing import OWN, VM, cards_in, own_order, start
from tests.adapters.gpu_lxd.conftest import A100, H100
from tests.adapters.gpu_lxd.figo_site import figo_site

__all__ = ["own_order"]


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
