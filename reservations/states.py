"""The states of a lease and the moves between them. The database holds the same table.

`docs/lease-states.md` is drawn from here; a test walks every pair of states against the trigger.
"""

from django.db import models


class Status(models.TextChoices):
    """Where a lease is in its life."""

    REQUESTED = "REQUESTED", "Asked, waiting for the site's approval"
    SCHEDULED = "SCHEDULED", "Scheduled"
    PROVISIONING = "PROVISIONING", "Being made ready"
    ACTIVE = "ACTIVE", "Active"
    RELEASING = "RELEASING", "Being cleaned"
    RELEASE_FAILED = "RELEASE_FAILED", "Not proven clean"
    RELEASED = "RELEASED", "Over and proven clean"
    REJECTED = "REJECTED", "Rejected by the site"
    CANCELLED = "CANCELLED", "Cancelled"


S = Status

MOVES: dict[Status, dict[Status, str]] = {
    S.REQUESTED: {S.SCHEDULED: "approve", S.REJECTED: "reject", S.CANCELLED: "cancel, lapse"},
    S.SCHEDULED: {S.PROVISIONING: "start", S.CANCELLED: "cancel, blocked too long"},
    S.PROVISIONING: {S.ACTIVE: "ready", S.RELEASING: "failed, overdue, cancelled"},
    S.ACTIVE: {S.RELEASING: "end"},
    S.RELEASING: {S.RELEASED: "clean", S.RELEASE_FAILED: "failed, overdue"},
    S.RELEASE_FAILED: {S.RELEASING: "retry", S.RELEASED: "vouch"},
    S.RELEASED: {},
    S.REJECTED: {},
    S.CANCELLED: {},
}
"""Every legal move, with the verbs that make it."""

FIRST = frozenset({S.REQUESTED, S.SCHEDULED})
"""Where a lease begins: a site that approves by itself schedules at once."""

OVER = frozenset({S.REJECTED, S.CANCELLED, S.RELEASED})
HOLDING = frozenset(S) - OVER
"""The calendar keeps the device for these."""

IN_WORKER = frozenset({S.PROVISIONING, S.RELEASING})
"""The site has work to do for these."""

ON_DEVICE = IN_WORKER | {S.ACTIVE, S.RELEASE_FAILED}
"""The device is, or may be, in the holder's hands. One lease per device at a time."""


def is_legal(source: Status, to: Status) -> bool:
    """Whether a lease may move from one state to the other."""
    return to in MOVES[source]
