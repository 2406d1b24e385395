"""A project for each lease, out of a pool, tried alike on the emulated server and on the real daemon."""

from contextlib import suppress

import pytest

from adapters.errors import AdapterError, DeviceBusy, DeviceRefused, InvalidSettings
from adapters.gpu_lxd.instance import name_for
from tests.adapters.gpu_lxd.conftest import A100, H100

RULES = {"restricted": "true", "restricted.devices.gpu": "allow", "restricted.devices.proxy": "allow"}
LIMITS = {"limits.instances": "1", "limits.cpu": "2", "limits.memory": "1GiB"}


@pytest.fixture(params=["emulator", "daemon"])
def server(request, client_pair):
    """A server that trusts our certificate with the projects of the pool, and with nothing else."""
    server = request.getfixturevalue("emulated_server" if request.param == "emulator" else "real_server")
    for name in ("lease-1", "lease-2"):
        server.operator.add_project(name, **RULES, **LIMITS)
    server.trust(client_pair.certificate, projects=["lease-1", "lease-2"])
    return server


@pytest.fixture
def pooled(server, target_for):
    limits = {"limit_cpus": 1, "limit_memory_gib": 1, "limit_disk_gib": 1, "profiles": ["default"]}

    def make(pci=H100, **more):
        return target_for(pci, **({"pci": pci, "project_pool": ["lease-[1-2]"]} | limits | more))

    return make


def failed(proof):
    return {check.name: check.found for check in proof.checks if not check.passed}


def test_each_lease_has_a_project_to_itself_and_leaves_it_empty(
    adapter, server, operator, pooled, order_for, visitor
):
    forwarded = server.forwarded | {"profiles": ["default"]}
    first, second, third = (order_for(pooled(pci, **forwarded)) for pci in (H100, A100, A100))
    access = adapter.provision(first)
    assert adapter.provision(first) == access
    adapter.admit(first)
    adapter.provision(second)

    homes = {name: project for project, name in operator.instances()}
    assert sorted(homes.values()) == ["lease-1", "lease-2"]
    config = operator.instances()[homes[name_for(first)], name_for(first)]["config"]
    assert (config["limits.cpu"], config["limits.memory"]) == ("1", "1GiB")
    assert visitor.can_enter(access, first)
    assert adapter.observe(first.target).carries == first.lease_id

    adapter.isolate(second)
    proof = adapter.release(second)
    assert proof.is_clean
    assert {f"contents of the project {homes[name_for(second)]}", "claim on a project"} <= {
        check.name for check in proof.checks
    }
    assert operator.profiles(homes[name_for(second)]) == ["default"]
    assert adapter.release(second).is_clean
    assert adapter.release(third).is_clean

    assert adapter.release(first).is_clean
    assert operator.names() == []


def test_a_pool_without_a_free_project_says_why_and_takes_nothing(adapter, operator, pooled, order_for):
    operator.put(
        "theirs", project="lease-1", running=False, config={"limits.cpu": "1", "limits.memory": "1GiB"}
    )
    operator.add_profile("lease-2", "shary-claim")

    with pytest.raises(DeviceBusy, match="lease-1 is not empty: instance theirs") as caught:
        adapter.provision(order_for(pooled()))
    assert "lease-2 is taken" in str(caught.value)
    assert operator.names() == ["lease-1/theirs"]


def test_a_project_that_allows_too_much_is_not_lent(adapter, operator, pooled, order_for):
    operator.set_project("lease-1", restricted="false")
    operator.set_project("lease-2", **{"restricted.devices.disk": "allow"})

    with pytest.raises(InvalidSettings, match="lxc project set lease-1 restricted=true") as caught:
        adapter.provision(order_for(pooled()))
    assert "lxc project unset lease-2 restricted.devices.disk" in str(caught.value)


def test_a_pool_that_our_certificate_does_not_see_is_a_matter_for_the_operator(adapter, pooled, order_for):
    with pytest.raises(InvalidSettings, match="lxc config trust edit"):
        adapter.provision(order_for(pooled(project_pool=["other-[1-3]"])))


def test_what_was_left_in_the_project_is_deleted_and_what_is_not_ours_keeps_the_project_back(
    adapter, operator, pooled, order_for
):
    operator.set_project("lease-1", **{"limits.instances": "2", "limits.memory": "4GiB"})
    order = order_for(pooled(project_pool=["lease-1"], settle_s=1.0))
    with suppress(DeviceRefused):
        # Without a network: it runs, and has no address that could be told.
        adapter.provision(order)
    assert operator.names() == [f"lease-1/{name_for(order)}"]
    operator.ask("POST", "/storage-pools/default/volumes/custom", {"name": "loot"}, project="lease-1")
    operator.add_profile("lease-1", "backdoor")
    limits = {"limits.cpu": "1", "limits.memory": "1GiB"}
    operator.put("theirs", project="lease-1", running=False, config=limits)

    assert failed(adapter.release(order)) == {"contents of the project lease-1": "instance theirs"}
    assert sorted(operator.profiles("lease-1")) == ["default", "shary-claim"]
    with pytest.raises(DeviceBusy, match="lease-1 is taken"):
        adapter.provision(order_for(pooled(project_pool=["lease-1"])))

    operator.ask("DELETE", "/instances/theirs", project="lease-1")
    assert adapter.release(order).is_clean
    assert operator.profiles("lease-1") == ["default"]
    assert operator.projects()["lease-1"]["used_by"] == ["/1.0/profiles/default?project=lease-1"]


def test_a_lease_that_took_a_project_and_no_more_is_found_again(adapter, server, operator, pooled, order_for):
    broken = order_for(pooled(image="nope"))
    with pytest.raises(AdapterError, match=r"(?i)image"):
        adapter.provision(broken)
    claimed = [name for name in ("lease-1", "lease-2") if "shary-claim" in operator.profiles(name)]
    assert len(claimed) == 1

    forwarded = server.forwarded | {"profiles": ["default"]}
    mended = order_for(pooled(**forwarded), lease_id=broken.lease_id)
    adapter.provision(mended)

    assert operator.names() == [f"{claimed[0]}/{name_for(broken)}"]
    assert adapter.release(mended).is_clean
