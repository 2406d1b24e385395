"""Devices that are keys in Valkey: the adapter does next to nothing, so that what is measured is ours."""

import time
from datetime import UTC, datetime, timedelta

import redis
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from adapters.contract import (
    Access,
    Adapter,
    AdapterDescription,
    Check,
    CleanProof,
    Endpoint,
    FoundDevice,
    LeaseOrder,
    Observation,
    Secrets,
    Target,
)
from adapters.errors import DeviceBusy, DeviceRefused

NAME = "emulated"
SECRET = "valkey"  # the name of the secret that holds the address
# Opens once; counts every call. KEYS: device, calls. ARGV: lease, time.
OPEN = """
redis.call('INCR', KEYS[2])
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[1], 'open') == '1' then return 2 end
redis.call('HSET', KEYS[1], 'open', '1')
redis.call('RPUSH', KEYS[1] .. ':opened', ARGV[2])
return 1
"""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Settings:
    """Nothing needs to be known of a device but its key."""

    key: str


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="allow"))
class Anything:
    """Attributes and parameters are of no interest."""


class EmulatedDevice(Adapter):
    """Keeps the contract on a hash: which lease it carries, and whether its door is open."""

    description = AdapterDescription(
        name=NAME,
        title="Emulated",
        kinds=("gpu",),
        settings=Settings,
        attributes=Anything,
        parameters=Anything,
        preparation=timedelta(seconds=1),
        cleanup=timedelta(seconds=1),
    )

    def __init__(self, *, secrets: Secrets) -> None:
        super().__init__(secrets=secrets)
        self._valkey = redis.Redis.from_url(secrets.read(SECRET), decode_responses=True)

    def observe(self, target: Target) -> Observation:
        """Look at the hash."""
        carries = self._valkey.hget(_key(target), "lease")
        return Observation(healthy=True, carries=str(carries) if carries else None)

    def provision(self, order: LeaseOrder) -> Access:
        """Let the device carry the lease, door closed."""
        key = _key(order.target)
        carries = self._valkey.hget(key, "lease")
        if carries not in (None, order.lease_id):
            raise DeviceBusy(f"It carries {carries}.")
        self._valkey.hset(key, mapping={"lease": order.lease_id, "epoch": order.epoch})
        self._valkey.hsetnx(key, "prepared", time.time())
        return Access(
            instructions="Use it.",
            endpoints=(Endpoint(label="Shell", protocol="ssh", host="127.0.0.1", port=22),),
        )

    def admit(self, order: LeaseOrder) -> None:
        """Open the door, and write down when."""
        key = _key(order.target)
        if self._valkey.eval(OPEN, 2, key, f"{key}:calls", order.lease_id, time.time()) == 0:
            raise DeviceRefused("It carries another lease.")

    def isolate(self, order: LeaseOrder) -> None:
        """Close the door."""
        self._valkey.hset(_key(order.target), "open", "0")

    def release(self, order: LeaseOrder) -> CleanProof:
        """Forget the lease."""
        self._valkey.delete(_key(order.target))
        check = Check(name="carries", expected="nothing", found="nothing", passed=True)
        return CleanProof(checks=(check,), verified_at=datetime.now(UTC), verifier="emulated/1")

    def discover(self, target: Target) -> tuple[FoundDevice, ...]:
        """Find nothing."""
        return ()


def _key(target: Target) -> str:
    return f"device:{target.settings['key']}"
