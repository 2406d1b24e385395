"""finsy, a controller library that people use, through the gateway, just as it comes."""

import asyncio
from pathlib import Path

import pytest
from finsy import GRPCCredentialsTLS, P4ClientError, Switch, SwitchOptions
from finsy.p4entity import P4TableAction, P4TableEntry, P4TableMatch

from adapters.emulators.p4runtime import example
from tests.adapters.emulators.p4runtime.controller import Controller
from tests.p4_gateway.conftest import Tenant


def finsy(tenant: Tenant, **options: object) -> Switch:
    credentials = GRPCCredentialsTLS(
        cacert=tenant.door.authority.encode(),
        cert=tenant.door.certificate.encode(),
        private_key=tenant.door.key.encode(),
    )
    program = {"p4info": Path(example.P4INFO), "p4blob": Path(example.DEVICE_CONFIG)} | options
    address = f"127.0.0.1:{tenant.door.port}"
    return Switch("sw1", address, SwitchOptions(channel_credentials=credentials, **program))


def entry(mac: int) -> P4TableEntry:
    return P4TableEntry("mac", match=P4TableMatch(dst=mac), action=P4TableAction("send", port=3))


def test_finsy_pushes_a_program_and_writes_and_reads_entries(admit, switch):
    tenant = admit()

    async def work() -> list[P4TableEntry]:
        async with finsy(tenant) as device:
            assert device.is_primary
            await device.insert([entry(1), entry(2)])
            await device.delete([entry(2)])
            return [found async for found in device.read([P4TableEntry("mac")])]

    (found,) = asyncio.run(work())
    assert found.match["dst"] == 1
    with Controller(switch.address) as site:
        assert len(site.read()) == 1
    assert max(switch.device.arbitration.highest.values()) >> 64 == 6  # the lease's epoch, not finsy's 10


def test_finsys_second_controller_is_a_backup_and_takes_over(admit):
    tenant = admit()

    async def work() -> None:
        async with finsy(tenant) as second:
            async with finsy(tenant, initial_election_id=20, p4info=None, p4blob=None) as first:
                assert first.is_primary
                assert not second.is_primary
            async with asyncio.timeout(5):
                while not second.is_primary:
                    await asyncio.sleep(0.01)
            await second.insert([entry(3)])

    asyncio.run(work())


def test_finsy_is_cut_at_the_end_and_does_not_get_back_in(admit, worker, switch):
    tenant = admit()

    async def work() -> None:
        async with finsy(tenant) as device:
            worker.close(lease_id="lease-1", epoch=6)
            # Either is refused, or finsy itself gave the call up when its stream was cut.
            with pytest.raises((P4ClientError, asyncio.CancelledError)):
                await device.insert([entry(1)])
        heard = switch.heard()
        for election_id in (10, 2**128 - 1):
            with pytest.raises(P4ClientError):
                async with finsy(tenant, initial_election_id=election_id):
                    pass
        assert switch.heard() == heard

    asyncio.run(work())
