"""What a site would say."""

from datetime import datetime
from typing import Any

from adapters.contract import Access, Check, CleanProof, Endpoint
from adapters.contract.wire import Report
from reservations.models import Lease
from tests.factories import next_hour

ACCESS = Access(
    instructions="Sign in with your ssh key.",
    endpoints=(Endpoint(label="Shell", protocol="ssh", host="gpu1.uni-a.example", port=22),),
)


def proof(*, found: int) -> CleanProof:
    """Return a proof that counted the processes left on the device."""
    check = Check(name="Processes", expected="0", found=str(found), passed=found == 0, method="NVML")
    return CleanProof(checks=(check,), verified_at=next_hour(), verifier="gpu_lxd 1")


SPOTLESS = proof(found=0)
DIRTY = proof(found=3)


def says(lease: Lease, event: Any, *, at: datetime | None = None, **facts: Any) -> Report:
    """Return the report of the site about a lease as it stands now."""
    if event == "prepared":
        facts.setdefault("access", ACCESS)
    moments = {"prepared": lease.starts_at, "opened": lease.starts_at}
    return Report(
        site=lease.resource.site.slug,
        event=event,
        at=at or moments.get(event, lease.ends_at),
        lease_id=str(lease.pk),
        epoch=facts.pop("epoch", lease.epoch),
        revision=facts.pop("revision", lease.revision),
        **facts,
    )
