"""Election ids: who may control a switch, as 128-bit numbers that only rise.

P4Runtime makes the controller with the highest id primary and remembers the highest id ever seen.
The upper 64 bits are the lease's epoch, so that a later lease always outbids an earlier one. The
lower 64 bits fall into bands: the site prepares in [0, 2^62), the holder works in [2^62, 2^63), the
site revokes in [2^63, 2^64). Election ids keep order among well-meaning controllers. They are told
to every controller that asks, and so they protect nothing against the others.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

TENANT_BAND = 2**62
REVOKE_BAND = 2**63
HOLDER_IDS = 256
"""A holder may run several controllers: this many ids, from the one in the lease's `Access`."""
_SLOT = 2**56
_LOW = 2**64


@dataclass(frozen=True, slots=True, order=True)
class ElectionId:
    """One election id, as the two halves that go over the wire."""

    high: int
    low: int

    def __str__(self) -> str:
        return f"{self.high},{self.low}"

    @property
    def next(self) -> "ElectionId":
        """The lowest id that outbids this one."""
        return ElectionId(self.high + (self.low + 1) // _LOW, (self.low + 1) % _LOW)

    def is_later_than(self, epoch: int) -> bool:
        """Say whether only a later epoch than this one could have chosen it.

        The very first id of the next epoch still belongs to this one: it is what outbids a holder
        who went to the end of the band, and no preparation ever bids it.
        """
        return self > ElectionId(epoch + 1, 0)


def preparing_id(epoch: int) -> ElectionId:
    """Return an id to prepare with, above all that this epoch has prepared with before."""
    return ElectionId(epoch, _microseconds())


def revoking_id(epoch: int) -> ElectionId:
    """Return an id to revoke with, above all that this epoch has revoked with before."""
    return ElectionId(epoch, REVOKE_BAND + _microseconds())


def holder_id(lease_id: str, epoch: int, *, above: ElectionId | None = None) -> ElectionId:
    """Return the first of the holder's ids.

    Usually it lies in the holder's band. When the lease was closed before and is opened again in
    the same epoch, it lies `above` what the site revoked with.
    """
    slot = TENANT_BAND // _SLOT
    if above is not None and above.high == epoch:
        slot = max(slot, above.low // _SLOT + 1)
    return ElectionId(epoch, slot * _SLOT + _mark(lease_id))


def holder_id_in(seen: ElectionId | None, lease_id: str, epoch: int) -> ElectionId | None:
    """Return the first of the holder's ids if `seen` is one of them, else None."""
    if seen is None or seen.high != epoch or seen.low < TENANT_BAND:
        return None
    first = seen.low - seen.low % HOLDER_IDS
    return ElectionId(epoch, first) if first % _SLOT == _mark(lease_id) else None


def _mark(lease_id: str) -> int:
    """48 bits of the lease, so that its holder is told apart from any other bidder, times 256."""
    return int.from_bytes(hashlib.sha256(lease_id.encode()).digest()[:6], "big") * HOLDER_IDS


def _microseconds() -> int:
    return int(datetime.now(UTC).timestamp() * 1e6)
