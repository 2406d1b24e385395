"""Orders for virtual functions."""

from datetime import UTC, datetime, timedelta

from adapters.contract import Holder, LeaseOrder, Link

DISABLED, AUTO, ENABLED = 2, 0, 1


def order_for(target, /, *, lease_id="lease-1", epoch=5, vlans=(), ports=(), **parameters) -> LeaseOrder:
    now = datetime.now(UTC)
    ports = ports or ["p0"] * len(vlans)
    return LeaseOrder(
        lease_id=lease_id,
        epoch=epoch,
        revision=1,
        target=target,
        covers=(target.resource_id,),
        holder=Holder(username="researcher@uni-a.example", project="testbed"),
        starts_at=now,
        ends_at=now + timedelta(hours=1),
        parameters=parameters,
        links=tuple(
            Link(port=port, peer="s", peer_name="switch", peer_port="3", vlan=vlan)
            for port, vlan in zip(ports, vlans, strict=True)
        ),
    )
