"""A switch that restarts in the middle of a lease: a real site's worker puts it right, and the holder hears of it."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from adapters.contract import Access, Holder, LeaseOrder
from adapters.contract.wire import new_key, private_key, public_text
from adapters.emulators.p4runtime import P4RuntimeEmulator
from site_worker.config import Config, Policy, SiteSecrets
from site_worker.site import Site
from tests.adapters.emulators.p4runtime.controller import INSERT, Controller, code_of, mac_entry
from tests.adapters.p4_switch.conftest import example_artefacts, target_at
from tests.adapters.p4_switch.outside import credentials_in, holders_id
from tests.p4_gateway.conftest import RunningGateway
from tests.site_worker.conftest import Hub, wait_for

PATIENCE_S = 40.0


@pytest.fixture
def hub() -> Hub:
    return Hub(site_slug="uni-a", site_key=new_key())


@pytest.fixture
def site(hub: Hub, tmp_path: Path, gateway: RunningGateway) -> Iterator[Site]:
    key = tmp_path / "site.key"
    key.write_text(hub.site_key)
    config = Config(
        site=hub.site_slug,
        broker_url="redis://127.0.0.1:1/0",
        hub_public_key=public_text(private_key(hub.key)),
        private_key_file=key,
        state_dir=tmp_path / "site",
        secrets=SiteSecrets(values={"gateway": str(gateway.config.control_socket)}),
        children=1,
        watch_period_s=0.5,
        use_period_s=0.5,
        report_retry_s=0.1,
        policy=Policy(start_grace_s=30.0, backoff_s=0.1, backoff_max_s=0.3),
    )
    running = Site(config=config, publish=hub.publish)
    running.start()
    yield running
    running.begin_stop()
    assert running.finish_stop(20)


def order_at(switch: P4RuntimeEmulator, **settings: object) -> LeaseOrder:
    now = datetime.now(UTC)
    target = target_at(switch.address, answer_timeout_s=5.0, **settings)
    return LeaseOrder(
        lease_id="3f6c8f7e-0000-4000-8000-000000000001",
        epoch=7,
        revision=1,
        target=target,
        covers=(target.resource_id,),
        holder=Holder(username="researcher@uni-a.example", project="testbed"),
        starts_at=now - timedelta(seconds=1),
        ends_at=now + timedelta(hours=1),
        artefacts=example_artefacts(),
    )


def controller_of(access: Access) -> Controller:
    at = access.endpoints[0]
    return Controller(f"{at.host}:{at.port}", 1, credentials_in(access))


def came_back(access: Access) -> Controller:
    """Reconnect as a holder would: again and again, until there is a program to write to."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        again = controller_of(access)
        try:
            assert again.bid(holders_id(access)) == "OK"
            again.write((INSERT, mac_entry()))
        except grpc.RpcError:
            again.__exit__()
            assert time.monotonic() < deadline, "the program did not come back"
            time.sleep(0.1)
        else:
            return again


@pytest.mark.parametrize("way", ["through the gateway", "at the switch itself"])
@pytest.mark.timeout(120)
def test_a_restart_in_the_middle_of_a_lease_is_seen_and_put_right(hub, site, way):
    through = way == "through the gateway"
    with P4RuntimeEmulator(personality="spec" if through else "bmv2") as switch:
        order = order_at(switch, **({"gateway_secret": "gateway"} if through else {}))
        site.take([hub.hold(order), hub.watch((order.target,))])
        wait_for(lambda: hub.reports("opened"), PATIENCE_S, "the start")
        access = hub.reports("prepared")[0].access
        holder = controller_of(access)
        assert holder.bid(holders_id(access)) == "OK"
        holder.write((INSERT, mac_entry()))

        switch.reboot()

        with pytest.raises(grpc.RpcError) as caught:
            holder.next_status()
        assert code_of(caught) == "UNAVAILABLE"
        if through:
            assert "its tables are empty" in caught.value.details()
        holder.__exit__()
        again = came_back(access)
        assert again.read() == [mac_entry()]
        # Back on its feet by the worker, which says so; the holder pushed nothing.
        wait_for(lambda: [r for r in hub.reports("failed") if "set up again" in r.failure.message], PATIENCE_S)
        with Controller(switch.address) as passer_by:
            (note,) = passer_by.pipeline().config.p4info.pkg_info.annotations
        assert order.lease_id in note
        again.__exit__()
        site.take([hub.release(replace(order, revision=2))])
        wait_for(lambda: hub.reports("clean"), PATIENCE_S, "the clean-up")
