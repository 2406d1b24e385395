"""A lease on netdevsim from its start to its end, seen by iproute2 and devlink. Runs in the guest."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

from adapters.contract import Holder, LeaseOrder, Link, Target
from adapters.errors import DeviceRefused, InvalidSettings
from adapters.smart_nic_sriov.adapter import SmartNicSriov

CARD = "eth0"


def seen(vf: int) -> dict:
    shown = subprocess.run(["ip", "-j", "-d", "link", "show", CARD], capture_output=True, check=True, text=True)
    return json.loads(shown.stdout)[0]["vfinfo_list"][vf]


def other_names() -> list[str]:
    shown = subprocess.run(["ip", "-j", "link", "show", CARD], capture_output=True, check=True, text=True)
    return json.loads(shown.stdout)[0].get("altnames", [])


def order_for(settings: dict, *, vlan: int, parameters: dict) -> LeaseOrder:
    now = datetime.now(UTC)
    return LeaseOrder(
        lease_id="9d0c1a0e-1f0e-4a55-8a33-1f2f3e4d5c6b",
        epoch=7,
        revision=1,
        target=Target(
            resource_id="vf", name="VF 1", kind="smart_nic_vf", adapter="smart_nic_sriov", settings=settings
        ),
        covers=("vf",),
        holder=Holder(username="researcher@uni-a.example", project="testbed"),
        starts_at=now,
        ends_at=now + timedelta(hours=1),
        parameters=parameters,
        links=(Link(port="vf1", peer="s", peer_name="switch", peer_port="3", vlan=vlan),),
    )


def main() -> None:
    settings = json.loads(sys.argv[1]) | {
        "allow_trust": True,
        "max_rate_mbps": 900,
        "guaranteed_rate_mbps": 100,
    }
    adapter = SmartNicSriov(secrets=None)
    wishes = {"mac": "02:00:5e:10:00:01", "priority": 3, "trust": True, "min_rate_mbps": 50}
    order = order_for(settings, vlan=2100, parameters=wishes)

    adapter.provision(order)
    now = seen(1)
    assert now["address"] == "02:00:5e:10:00:01", now
    assert now["vlan_list"][0]["vlan"] == 2100, now
    assert now["vlan_list"][0]["qos"] == 3, now
    assert now["rate"] == {"max_tx": 900, "min_tx": 50}, now
    assert (now["spoofchk"], now["trust"], now["link_state"]) == (True, True, "disable"), now
    assert other_names() == ["shary.vf1.9d0c1a0e-1f0e-4a55-8a33-1f2f3e4d5c6b.7"], other_names()

    adapter.admit(order)
    assert seen(1)["link_state"] == "auto", seen(1)
    adapter.isolate(order)
    assert (seen(1)["link_state"], seen(1)["vlan_list"][0]["vlan"]) == ("disable", 4094), seen(1)
    proof = adapter.release(order)
    assert proof.is_clean, proof
    assert (seen(1)["trust"], seen(1)["rate"]) == (False, {"max_tx": 0, "min_tx": 0}), seen(1)
    assert other_names() == [], other_names()

    refused(
        InvalidSettings, adapter, order_for(settings | {"eswitch": None, "vf": 9}, vlan=2100, parameters={})
    )
    subprocess.run(
        ["devlink", "dev", "eswitch", "set", "netdevsim/netdevsim1", "mode", "switchdev"], check=True
    )
    assert "switchdev" in adapter.observe(order.target).detail
    refused(DeviceRefused, adapter, order)
    subprocess.run(["devlink", "dev", "eswitch", "set", "netdevsim/netdevsim1", "mode", "legacy"], check=True)
    assert adapter.observe(order.target).healthy
    print("All as it should be.")


def refused(error: type[Exception], adapter: SmartNicSriov, order: LeaseOrder) -> None:
    try:
        adapter.provision(order)
    except error as said:
        print(said)
    else:
        raise AssertionError(f"{error.__name__} was not raised")


if __name__ == "__main__":
    main()
