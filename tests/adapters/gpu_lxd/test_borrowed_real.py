"""Cards lent to containers that are there already, on the real LXD daemon."""

from collections.abc import Iterator

import pytest

from adapters.errors import DeviceBusy, DeviceRefused
from tests.adapters.gpu_lxd.conftest import A100, H100
from tests.adapters.gpu_lxd.servers import Operator, RealServer

PROJECT = "figo-ada"
MARK = {"user.shary.project": "testbed"}
CARD = {"type": "gpu", "gputype": "physical", "pci": "65:00.0"}


@pytest.fixture
def server(real_server: RealServer) -> Iterator[RealServer]:
    """A site of FIGO: a project of a user that the operator has marked, with FIGO's profile for a card."""
    operator = real_server.operator
    operator.add_project(PROJECT, **MARK)
    operator.add_profile(PROJECT, "gpu-1-65000-cnt", **{"gpu-device1": CARD})
    return real_server


@pytest.fixture
def operator(server: RealServer) -> Operator:
    return server.operator


@pytest.fixture
def box(operator: Operator) -> str:
    return operator.put("vm1", project=PROJECT, config={"limits.cpu": "1"})


@pytest.fixture
def own_order(order_for, target):
    return lambda of=target, instance="figo-ada/vm1": order_for(of, parameters={"instance": instance})


def look(server: RealServer) -> tuple[list[str], int]:
    """Return the cards that a program inside sees, and which boot of the container this is."""
    listed = server.lxd.inside("lxc", "exec", "vm1", "--project", PROJECT, "--", "ls", "/dev")
    pid = server.operator.ask("GET", "/instances/vm1/state", project=PROJECT)["pid"]
    return sorted(name for name in listed.split() if name.startswith("nvidia") and name[6:].isdecimal()), pid


def record(operator: Operator) -> dict[str, object]:
    """Return what was written on the instance, without what LXD notes for itself."""
    entry = operator.instances()[PROJECT, "vm1"]
    config = {key: text for key, text in entry["config"].items() if not key.startswith(("volatile.", "image."))}
    return {"config": config, "devices": entry["devices"], "profiles": entry["profiles"]}


@pytest.mark.parametrize("figo_profiles", [False, True])
def test_a_running_container_gets_the_card_at_the_start_and_loses_it_at_the_end(
    adapter, server, operator, target_for, own_order, box, figo_profiles
):
    target = target_for(pci=H100, figo_profiles=figo_profiles)
    order, before = own_order(target), record(operator)
    empty, boot = look(server)
    assert empty == []

    adapter.provision(order)
    assert look(server) == ([], boot)
    assert adapter.observe(target).carries == order.lease_id
    adapter.admit(order)
    adapter.admit(order)

    assert look(server) == (["nvidia0"], boot), "it runs on and has the card"
    attached = record(operator)
    assert ("gpu-1-65000-cnt" in attached["profiles"]) is figo_profiles
    assert ("shary-gpu0" in attached["devices"]) is not figo_profiles

    adapter.isolate(order)
    left, next_boot = look(server)
    assert left == []
    assert next_boot != boot, "nobody here can see what its programs had open"

    proof = adapter.release(order)
    assert proof.is_clean, [check for check in proof.checks if not check.passed]
    assert record(operator) == before
    assert look(server) == ([], next_boot)


def test_a_stopped_container_is_started_for_its_lease(adapter, server, operator, own_order):
    operator.put("vm1", project=PROJECT, running=False)
    order = own_order()
    adapter.provision(order)
    adapter.admit(order)

    assert look(server)[0] == ["nvidia0"]
    assert adapter.release(order).is_clean


def test_what_the_refusal_tells_the_operator_to_type_works(adapter, server, own_order, box):
    server.lxd.inside("lxc", "project", "set", PROJECT, "user.shary.project=others")
    with pytest.raises(DeviceRefused, match=r"lxc config set vm1 user\.shary\.holder"):
        adapter.provision(own_order())

    server.lxd.inside(
        *["lxc", "config", "set", "vm1", "user.shary.holder=researcher@uni-a.example", "--project", "figo-ada"]
    )
    assert adapter.provision(own_order()).endpoints


def test_a_container_of_figo_that_runs_with_the_card_is_respected_and_named(
    adapter, operator, target, order_for, own_order, box
):
    operator.add_project("figo-bob")
    operator.add_profile("figo-bob", "gpu-1-65000-cnt", **{"gpu-device1": CARD})
    operator.put("theirs", project="figo-bob", profiles=["default", "gpu-1-65000-cnt"])
    for order in (own_order(), order_for(target)):
        with pytest.raises(DeviceBusy, match="figo-bob/theirs, running, has the card without SHARY"):
            adapter.provision(order)
    operator.switch("theirs", "stop", project="figo-bob")
    order = own_order()
    adapter.provision(order)
    adapter.admit(order)
    assert adapter.observe(target).healthy

    # LXD says nothing: this is why SHARY looks.
    operator.switch("theirs", "start", project="figo-bob")

    seen = adapter.observe(target)
    assert not seen.healthy
    assert "figo-bob/theirs runs with it as well" in seen.detail
    assert seen.carries == order.lease_id


def test_a_restart_of_the_daemon_in_the_middle_changes_nothing(adapter, server, operator, own_order, box):
    order = own_order()
    adapter.provision(order)
    server.restart()
    adapter.admit(order)
    assert look(server)[0] == ["nvidia0"]
    server.restart()

    assert adapter.release(order).is_clean
    assert look(server)[0] == []


def test_two_cards_go_into_one_container(adapter, server, target_for, own_order, box):
    order = own_order(target_for("host", cards=[H100, A100]))
    adapter.provision(order)
    adapter.admit(order)

    assert look(server)[0] == ["nvidia0", "nvidia1"]
    assert adapter.release(order).is_clean


def test_an_instance_that_would_be_deleted_when_it_stops_is_refused(adapter, operator, own_order):
    wish = {"name": "vm1", "source": {"type": "image", "alias": "ubuntu-gpu"}, "ephemeral": True}
    operator.ask("POST", "/instances", wish, project=PROJECT)

    with pytest.raises(DeviceRefused, match="figo-ada/vm1 is ephemeral"):
        adapter.provision(own_order())


def test_a_certificate_that_is_restricted_to_the_users_projects_is_enough(
    adapter, server, operator, client_pair, target_for, own_order, box
):
    operator.add_project("shary")
    server.trust(client_pair.certificate, projects=["shary", PROJECT])
    order = own_order(target_for(pci=H100, project="shary", figo_profiles=True))
    adapter.provision(order)
    adapter.admit(order)

    assert look(server)[0] == ["nvidia0"]
    assert adapter.release(order).is_clean


def test_a_project_out_of_our_sight_is_said_to_be(
    adapter, server, operator, client_pair, target_for, own_order, box
):
    operator.add_project("shary")
    server.trust(client_pair.certificate, projects=["shary"])

    with pytest.raises(DeviceRefused, match="give SHARY rights in its project"):
        adapter.provision(own_order(target_for(pci=H100, project="shary")))
