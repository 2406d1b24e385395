"""How a reservation says which lease it is for.

Newer versions of Slurm keep a comment with a reservation; there the name is `shary-<lease>` and the
comment carries the epoch. Older ones (22.05) have no such field: there the name carries it.
"""

import hashlib
import re
from dataclasses import dataclass

from adapters.contract import LeaseOrder
from adapters.gpu_slurm.nouns import Reservation, Wish

_LONG_NAME = re.compile(
    r"shary-(?P<lease>[A-Za-z0-9-]+)\.(?P<epoch>[0-9]+)\.(?P<resource>[0-9a-f]{8})(?P<part>[np])"
)
_SHORT_NAME = re.compile(r"shary-(?P<lease>[A-Za-z0-9-]+)")
_COMMENT = re.compile(
    r"shary lease=(?P<lease>[A-Za-z0-9-]+) epoch=(?P<epoch>[0-9]+) "
    r"resource=(?P<resource>[0-9a-f]{8})(?P<part>[np]) digest=(?P<digest>[0-9a-f]{16})(?: |$)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a reservation of ours says of itself."""

    lease: str
    epoch: int
    resource: str
    is_whole: bool
    """Whether it takes whole nodes, so all that is on them."""
    digest: str = ""


def key_of(resource_id: str) -> str:
    """Return the short form of a resource's id that fits into names."""
    return hashlib.sha256(resource_id.encode()).hexdigest()[:8]


def digest_of(wish: Wish) -> str:
    """Return the digest of what the reservation is of; times and who may use it can change."""
    parts = (",".join(wish.nodes), str(wish.cores or ""), wish.licence, wish.gres, wish.partition, wish.flag)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def long_name(order: LeaseOrder, wish: Wish) -> str:
    """Return the name that carries the epoch itself."""
    return f"{order.tag}.{order.epoch}.{key_of(order.target.resource_id)}{_part(wish)}"


def comment_for(order: LeaseOrder, wish: Wish) -> str:
    """Return the comment that carries the epoch and the digest."""
    return (
        f"shary lease={order.lease_id} epoch={order.epoch} "
        f"resource={key_of(order.target.resource_id)}{_part(wish)} digest={digest_of(wish)}"
    )


def _part(wish: Wish) -> str:
    return "p" if wish.cores or wish.licence or wish.gres else "n"


def mark_of(reservation: Reservation) -> Mark | None:
    """Return the mark of a reservation that is ours; None for anybody else's."""
    # Where the comment is not the last of a line, what follows was read with it.
    said = _COMMENT.match(reservation.comment)
    if said is not None and reservation.name.startswith(f"shary-{said['lease']}"):
        return Mark(
            lease=said["lease"],
            epoch=int(said["epoch"]),
            resource=said["resource"],
            is_whole=said["part"] == "n",
            digest=said["digest"],
        )
    named = _LONG_NAME.fullmatch(reservation.name)
    if named is not None:
        return Mark(
            lease=named["lease"],
            epoch=int(named["epoch"]),
            resource=named["resource"],
            is_whole=named["part"] == "n",
        )
    return None


def pretends(reservation: Reservation, lease_id: str) -> bool:
    """Say whether it has a name of the lease, and not the mark that belongs to it."""
    named = _LONG_NAME.fullmatch(reservation.name) or _SHORT_NAME.fullmatch(reservation.name)
    return named is not None and named["lease"] == lease_id and mark_of(reservation) is None
