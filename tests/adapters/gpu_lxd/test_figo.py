"""Sites that run FIGO join as they are: nothing of theirs is changed, and both tools see each other."""

from copy import deepcopy

import pytest

from adapters.emulators.lxd import Profile
from adapters.errors import DeviceBusy
from adapters.gpu_lxd.figo import profile_for, profiles_of
from tests.adapters.gpu_lxd.conftest import A100, H100
from tests.adapters.gpu_lxd.figo_site import figo_site, gpu_profile

VM = "virtual-machine"
PROFILES = [
    gpu_profile("gpu-1-65000", "65:00.0"),
    gpu_profile("gpu-1-65000-cnt", "65:00.0"),
    gpu_profile("gpu-2-b3000", "b3:00.0"),
]


@pytest.fixture
def by_profile(target_for):
    return target_for(pci=H100, figo_profiles=True)


def order_to(order_for, target, instance="figo-ada/vm1"):
    return order_for(target, parameters={"instance": instance})


def start(adapter, order):
    adapter.provision(order)
    adapter.admit(order)


def running_profiles(lxd):
    """Return what FIGO takes for the cards in use: the gpu profiles of running instances, by their names."""
    return sorted(
        profile
        for instance in lxd.daemon.instances.values()
        if instance.running
        for profile in instance.profiles
        if profile.startswith("gpu-")
    )


# --- their instances hold their cards ---------------------------------------------------------------


@pytest.mark.parametrize("written", ["65:00.0", "0000:65:00.0", "00000000:65:00.0", "65:0.0", "0:65:00.0"])
@pytest.mark.parametrize("kind", ["container", VM])
def test_a_card_in_a_running_instance_of_figo_is_busy_however_it_is_written(
    adapter, lxd, target, order_for, written, kind
):
    profile = "gpu-1-65000-cnt" if kind == "container" else "gpu-1-65000"
    figo_site(lxd, type=kind, profiles=[gpu_profile(profile, written)], attached=(profile,))

    with pytest.raises(DeviceBusy, match="figo-ada/vm1, running, has the card without SHARY"):
        adapter.provision(order_for(target))


def test_a_card_with_a_letter_in_its_address_is_compared_without_regard_to_its_case(
    adapter, lxd, target_for, order_for
):
    figo_site(lxd, profiles=[gpu_profile("gpu-2-B3000", "B3:00.0")], attached=("gpu-2-B3000",))

    with pytest.raises(DeviceBusy):
        adapter.provision(order_for(target_for(pci=A100)))


def test_a_stopped_instance_of_figo_holds_no_card(adapter, lxd, target, order_for):
    figo_site(lxd, running=False, profiles=PROFILES, attached=("gpu-1-65000",))

    assert adapter.provision(order_for(target)).endpoints


@pytest.mark.parametrize("own", [False, True])
def test_nothing_of_the_site_is_changed_by_a_lease(adapter, lxd, by_profile, order_for, own):
    theirs = figo_site(lxd, user="bob", name="bobs-vm", type=VM, profiles=PROFILES, attached=("gpu-2-b3000",))
    hers = figo_site(lxd, type=VM, profiles=PROFILES)
    before = deepcopy((vars(theirs), vars(hers), lxd.daemon.projects))
    order = order_to(order_for, by_profile) if own else order_for(by_profile)
    start(adapter, order)
    assert adapter.release(order).is_clean

    after = (vars(theirs), vars(hers), lxd.daemon.projects)
    hers.config.pop("volatile.last_state.power", None)
    assert after == before


# --- the lease is seen by figo ----------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "profile"), [("container", "gpu-1-65000-cnt"), (VM, "gpu-1-65000")])
def test_figo_sees_the_card_in_use_while_it_is_lent(adapter, lxd, by_profile, order_for, kind, profile):
    vm = figo_site(lxd, type=kind, profiles=PROFILES)
    order = order_to(order_for, by_profile)
    start(adapter, order)

    assert running_profiles(lxd) == [profile]
    assert vm.devices == {}

    assert adapter.release(order).is_clean
    assert (running_profiles(lxd), vm.profiles) == ([], ["default"])


def test_a_card_without_a_profile_is_attached_by_a_device(adapter, lxd, by_profile, order_for):
    vm = figo_site(lxd, type=VM, profiles=[gpu_profile("gpu-1-65000-cnt", "65:00.0")])
    start(adapter, order_to(order_for, by_profile))

    assert vm.devices == {"shary-gpu0": {"type": "gpu", "gputype": "physical", "pci": H100}}
    assert vm.profiles == ["default"]


def test_profiles_are_left_alone_where_the_site_does_not_want_them_used(adapter, lxd, target, order_for):
    vm = figo_site(lxd, type=VM, profiles=PROFILES)
    start(adapter, order_to(order_for, target))

    assert vm.profiles == ["default"]
    assert list(vm.devices) == ["shary-gpu0"]


def test_a_profile_that_the_holder_had_attached_before_is_taken_off_at_the_end(adapter, lxd, target, order_for):
    # It gave no card while the machine was off. Left on, it would take the card to itself again.
    vm = figo_site(lxd, type=VM, running=False, profiles=PROFILES, attached=("gpu-1-65000",))
    order = order_to(order_for, target)
    start(adapter, order)
    assert vm.running

    assert adapter.release(order).is_clean
    assert vm.profiles == ["default"]


@pytest.mark.parametrize(
    "profile",
    [
        Profile("gpu-both", devices={"a": {"type": "gpu", "pci": H100}, "b": {"type": "gpu", "pci": A100}}),
        Profile("gpu-any", devices={"a": {"type": "gpu"}}),
        Profile("gpu-odd", devices={"a": {"type": "gpu", "pci": "first"}}),
        Profile("gpu-slice", devices={"a": {"type": "gpu", "gputype": "mig", "pci": H100}}),
        Profile("gpu-none"),
        Profile("big", devices={"a": {"type": "gpu", "pci": H100}}),
        gpu_profile("gpu-2-b3000", "b3:00.0"),
        gpu_profile("gpu-1-65000-cnt", "65:00.0"),
    ],
)
def test_a_profile_that_gives_something_else_is_never_taken(profile):
    assert profile_for(H100, [vars(profile)], VM) is None


def test_the_profile_is_found_by_its_card_and_not_by_its_name():
    known = [vars(gpu_profile("gpu-1-21000", "65:00.0")), vars(gpu_profile("gpu-2-65000", "21:00.0"))]

    assert profile_for(H100, known, VM) == "gpu-1-21000"
    assert profiles_of([H100], known) == {"gpu-1-21000"}


# --- somebody at the site takes a lent card ---------------------------------------------------------


@pytest.mark.parametrize("own", [False, True])
def test_a_figo_user_who_starts_with_a_lent_card_is_named(adapter, lxd, target, order_for, own):
    figo_site(lxd, profiles=PROFILES)
    theirs = figo_site(lxd, user="bob", running=False, profiles=PROFILES, attached=("gpu-1-65000-cnt",))
    order = order_to(order_for, target) if own else order_for(target)
    start(adapter, order)
    assert adapter.observe(target).healthy

    theirs.running = True

    seen = adapter.observe(target)
    assert not seen.healthy
    assert seen.carries == order.lease_id
    assert "figo-bob/vm1 runs with it as well" in seen.detail
    assert "Stop figo-bob/vm1" in seen.detail
    failed = [check for check in adapter.release(order).checks if not check.passed]
    assert [(check.name, check.found) for check in failed] == [(f"users of {H100}", "figo-bob/vm1")]


def test_a_card_that_waits_for_its_start_is_kept_from_other_leases(adapter, lxd, target, order_for):
    figo_site(lxd)
    first = order_to(order_for, target)
    adapter.provision(first)

    with pytest.raises(DeviceBusy, match=first.lease_id):
        adapter.provision(order_for(target))
    seen = adapter.observe(target)
    assert (seen.healthy, seen.carries, seen.epoch) == (True, first.lease_id, first.epoch)
    assert seen.detail == f"Instance figo-ada/vm1 is running and waits for the card of lease {first.lease_id}."


def test_a_whole_host_is_kept_too_while_one_of_its_cards_waits(adapter, lxd, target, target_for, order_for):
    figo_site(lxd)
    adapter.provision(order_to(order_for, target))

    with pytest.raises(DeviceBusy):
        adapter.provision(order_for(target_for("host", cards=[H100, A100])))
    assert adapter.provision(order_for(target_for("a100", pci=A100))).endpoints


def test_all_cards_of_a_host_go_into_one_instance(adapter, lxd, target_for, order_for):
    vm = figo_site(lxd, type=VM, profiles=PROFILES)
    order = order_to(order_for, target_for("host", cards=[H100, A100], figo_profiles=True))
    start(adapter, order)
    assert vm.profiles == ["default", "gpu-1-65000", "gpu-2-b3000"]

    assert adapter.release(order).is_clean
    assert vm.profiles == ["default"]
