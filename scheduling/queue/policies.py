"""The named policies of a federation, and how a site tightens them."""

from dataclasses import dataclass, replace
from typing import Literal

Order = Literal["arrival", "fair", "worth"]
"""Who goes first: who came first; whose institution has had least; or who waited longest for the little that it needs,
among those who have had least."""

Backfill = Literal["none", "easy", "conservative", "calendar"]
"""Who may pass whom: nobody; whoever does not delay the first; whoever delays nobody; and windows fixed at once."""

HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How the queue decides. A federation has one; each site may only make it stricter."""

    name: str
    pooled: bool = True
    """Whether work may leave home."""
    order: Order = "arrival"
    backfill: Backfill = "easy"
    guests_give_way: bool = False
    """Whether guests end early when the owner of their cards wants them."""
    yields_to_bookings: bool = True
    """Whether what was started ends early for a booking made afterwards; if not, the booking waits for it."""
    half_life_s: int = 24 * HOUR
    """After this time past use counts half."""
    owed_below: float = 0.35
    """An owner that used less of its cards of late, by the mean of the past half-lives, may have them back at once;
    whoever used more waits long alone, too, and gains from the federation without it."""
    trial_s: int = HOUR
    """So young a guest gives way whatever the rest of the federation lost already."""
    loss: float = 0.0015
    """Older guests give way only while less than this share of all work has come to nothing by it."""
    guest_stay_s: int = 24 * HOUR
    """Longer guests do not start on cards that their owner may want back."""
    least_run_s: int = 0
    """Whoever started may stay so long before it has to give way to an owner."""
    notice_s: int = 0
    """Between being told to give way and the end."""
    guest_length_s: int | None = None
    """The longest request that starts away from home."""

    def tightened(
        self, *, guest_length_s: int | None = None, guests_give_way: bool = False, notice_s: int = 0
    ) -> "Policy":
        """Return the policy of a site that adds rules of its own: only stricter ones take effect."""
        limits = [limit for limit in (self.guest_length_s, guest_length_s) if limit is not None]
        return replace(
            self,
            guest_length_s=min(limits, default=None),
            guests_give_way=self.guests_give_way or guests_give_way,
            notice_s=max(self.notice_s, notice_s),
        )


POLICIES = {
    policy.name: policy
    for policy in (
        Policy(name="silo", pooled=False),
        Policy(name="silo-fcfs", pooled=False, backfill="none"),
        Policy(name="silo-calendar", pooled=False, backfill="calendar"),
        Policy(name="silo-federated", pooled=False, order="worth"),
        Policy(name="calendar", backfill="calendar"),
        Policy(name="fcfs", backfill="none"),
        Policy(name="easy"),
        Policy(name="conservative", backfill="conservative"),
        Policy(name="fair", order="fair"),
        Policy(name="guest", guests_give_way=True),
        Policy(name="federated", order="worth", guests_give_way=True),
    )
}
"""By name; `federated` is the one to take."""

DEFAULT = POLICIES["federated"]
