"""Rules for the network of each lease, tried alike on the emulated server and on the real daemon."""

import pytest

from adapters.emulators.lxd.nouns import Network
from adapters.errors import DeviceRefused, InvalidSettings
from adapters.gpu_lxd.fence import bridge_for
from adapters.gpu_lxd.instance import name_for
from tests.adapters.gpu_lxd.conftest import H100

RULES = {"restricted": "true", "restricted.devices.gpu": "allow", "restricted.devices.proxy": "allow"}


ON_BOTH = pytest.mark.parametrize("server", ["emulator", "daemon"], indirect=True)


@pytest.fixture
def server(request, client_pair):
    server = request.getfixturevalue("emulated_server" if request.param == "emulator" else "real_server")
    server.operator.add_project("lent", **RULES)
    server.trust(client_pair.certificate, projects=["lent"])
    return server


@pytest.fixture
def fenced(server, target_for):
    def make(**more):
        return target_for(pci=H100, **(server.forwarded | {"project": "lent", "network": "own"} | more))

    return make


def networks(operator):
    return {
        entry["name"] for entry in operator.ask("GET", "/networks", recursion="1") if entry.get("managed", True)
    }


def rules(operator):
    return {entry["name"]: entry for entry in operator.ask("GET", "/network-acls", recursion="1")}


@ON_BOTH
def test_a_lease_has_a_network_with_rules_and_takes_both_along(adapter, operator, fenced, order_for):
    order = order_for(fenced(barred_networks=["10.0.0.0/8"]))
    adapter.provision(order)

    assert networks(operator) == {bridge_for(order)}
    mine = rules(operator)[name_for(order)]
    assert [(rule["action"], rule["destination_port"]) for rule in mine["ingress"]] == [("allow", "22")]
    assert [(rule["action"], rule.get("destination")) for rule in mine["egress"]] == [
        ("reject", "10.0.0.0/8"),
        ("allow", None),
    ]
    assert mine["used_by"] == [f"/1.0/networks/{bridge_for(order)}"]
    devices = operator.instances()["lent", name_for(order)]["expanded_devices"]
    assert [device["network"] for device in devices.values() if device["type"] == "nic"] == [bridge_for(order)]

    proof = adapter.release(order)
    assert proof.is_clean
    assert {"rules of the network", "bridge"} <= {check.name for check in proof.checks}
    assert networks(operator) == set()
    assert rules(operator) == {}


@ON_BOTH
def test_rules_and_networks_of_others_are_left_alone(adapter, operator, fenced, order_for):
    order = order_for(fenced(settle_s=0.5))
    operator.ask("POST", "/network-acls", {"name": name_for(order), "description": "of the house"})

    with pytest.raises(DeviceRefused, match="left alone"):
        adapter.provision(order)
    assert {check.name for check in adapter.release(order).checks if not check.passed} == {
        "rules of the network"
    }
    assert rules(operator)[name_for(order)]["description"] == "of the house"


@pytest.mark.parametrize("server", ["daemon"], indirect=True)
def test_the_rules_hold_for_real_packets(adapter, server, operator, fenced, order_for, visitor):
    order = order_for(fenced(barred_networks=["203.0.113.0/24"]))
    access = adapter.provision(order)
    adapter.admit(order)
    (bridge,) = (one for one in operator.ask("GET", "/networks", recursion="1") if one["managed"])
    gateway, _, width = bridge["config"]["ipv4.address"].partition("/")
    inside = gateway.rpartition(".")[0] + ".99"
    # Two addresses outside of the lease's network, of which one is barred.
    for address in ("203.0.113.7", "198.51.100.7"):
        server.lxd.inside("ip", "addr", "add", f"{address}/32", "dev", "lo")
    try:
        with visitor.session(access, order) as session:
            session.run(f"ip addr add {inside}/{width} dev eth0; ip link set eth0 up")
            session.run(f"ip route add default via {gateway}")
            session.run("nc -l -p 8080 </dev/null >/dev/null 2>&1 &")
            reached = {
                address: session.run(f"ping -c 1 -W 2 {address} >/dev/null && echo yes || echo no").strip()
                for address in ("198.51.100.7", "203.0.113.7")
            }
            knock = "busybox nc -w 2 {} {} </dev/null >/dev/null 2>&1 && echo yes || echo no"
            let_in = {
                port: server.lxd.inside("sh", "-c", knock.format(inside, port)).strip() for port in (22, 8080)
            }
        assert reached == {"198.51.100.7": "yes", "203.0.113.7": "no"}
        assert let_in == {22: "yes", 8080: "no"}
    finally:
        for address in ("203.0.113.7", "198.51.100.7"):
            server.lxd.inside("ip", "addr", "del", f"{address}/32", "dev", "lo")


# OVN cannot run beside the tests; the emulator takes rules on cards of OVN networks, and on no others.
@pytest.mark.parametrize("server", ["emulator"], indirect=True)
def test_in_an_ovn_network_the_rules_hang_on_the_card(adapter, lxd, server, operator, target_for, order_for):
    lxd.daemon.networks["ovn0"] = Network("ovn0", "ovn")
    lxd.daemon.networks["lxdbr0"] = Network("lxdbr0")
    operator.add_profile("lent", "net", eth0={"type": "nic", "network": "lxdbr0"})
    wishes = server.forwarded | {"project": "lent", "network": "ovn", "profiles": ["default", "net"]}
    order = order_for(target_for(pci=H100, ovn_network="ovn0", **wishes))
    adapter.provision(order)

    devices = operator.instances()["lent", name_for(order)]["expanded_devices"]
    assert devices["eth0"] == {
        "type": "nic",
        "name": "eth0",
        "network": "ovn0",
        "security.acls": name_for(order),
    }
    with pytest.raises((InvalidSettings, DeviceRefused), match=r"security\.acls"):
        adapter.provision(order_for(target_for("a100", pci="b3:00.0", ovn_network="lxdbr0", **wishes)))
    assert adapter.release(order).is_clean
    assert set(lxd.daemon.networks) == {"ovn0", "lxdbr0"}
