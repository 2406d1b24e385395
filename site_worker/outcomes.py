"""What the outcome of a verb changes in a lease, and what the hub is told of it. Pure."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from adapters.contract import Access, CleanProof, Observation
from adapters.contract.wire import Failure, Report, from_json, to_json
from adapters.errors import BY_NAME, Remedy
from site_worker.config import Policy
from site_worker.lease import Lease, Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a call to a device came to."""

    at: float
    value: str | None = None
    """The JSON of what the verb gives; for a verb that gives nothing, empty."""
    error: str = ""
    message: str = ""
    duration_s: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the verb did not reach its promise."""
        return bool(self.error)

    @property
    def remedy(self) -> Remedy:
        """What to do after the failure."""
        return BY_NAME[self.error].remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A lease after an outcome, and what is to be reported."""

    lease: Lease
    reports: tuple[Report, ...] = field(default_factory=tuple)


def apply_outcome(*, site: str, lease: Lease, verb: Verb, outcome: Outcome, policy: Policy) -> Change:
    """Return the lease after the outcome of one verb."""
    if outcome.failed:
        return _failed(site, lease, verb, outcome, policy)
    try:
        return _succeeded(site, lease, verb, outcome, policy)
    except ValueError as error:
        message = f"The adapter gave no valid answer to “{verb}”: {error}"
        invalid = Outcome(at=outcome.at, error="OutcomeUnknown", message=message)
        return _failed(site, lease, verb, invalid, policy)


def drifted(*, site: str, lease: Lease, at: float, policy: Policy) -> Change:
    """Return the lease after its device was found to carry nothing: set up again, within limits."""
    what = "The device carries nothing of the lease any more"
    if lease.drifts >= policy.drift_limit:
        failure = Failure(
            error="DeviceRefused",
            remedy="stop",
            verb="observe",
            message=f"{what}, after {lease.drifts} repairs; it is not set up again.",
        )
        return _give_up(site, lease, failure, at)
    failure = Failure(
        error="OutcomeUnknown", remedy="look", verb="observe", message=f"{what}; it is being set up again."
    )
    again = replace(lease, phase="new", drifts=lease.drifts + 1, unsure=False, retry_at=0.0)
    return Change(lease=again, reports=(_failed_report(site, again, failure, at, final=False),))


def current_reports(site: str, lease: Lease) -> tuple[Report, ...]:
    """Return what the hub should know of the lease by now: the answer to an order sent again."""
    reports: list[Report] = []
    if lease.phase in {"ready", "open"} and lease.wanted == "held" and lease.access:
        reports.append(prepared_report(site, lease, lease.ready_at or lease.starts_at))
    if lease.phase == "open" and lease.opened_at:
        reports.append(opened_report(site, lease))
    if lease.phase in {"isolated", "clean"} and lease.isolated_at:
        reports.append(_report(site, lease, "isolated", lease.isolated_at))
    if lease.phase == "clean" and lease.proof:
        proof = from_json(CleanProof, lease.proof)
        reports.append(_report(site, lease, "clean", proof.verified_at.timestamp(), proof=proof))
    if lease.gave_up and lease.failure:
        reports.append(
            _failed_report(site, lease, from_json(Failure, lease.failure), lease.retry_at, final=True)
        )
    return tuple(reports)


def prepared_report(site: str, lease: Lease, at: float) -> Report:
    """Return the report that the device is ready, with the way in."""
    return _report(site, lease, "prepared", at, access=from_json(Access, lease.access or "{}"))


def opened_report(site: str, lease: Lease) -> Report:
    """Return the report that access was opened, and when."""
    return _report(site, lease, "opened", lease.opened_at or lease.starts_at)


def moment(seconds: float) -> datetime:
    """Return the aware moment of so many seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def _succeeded(site: str, lease: Lease, verb: Verb, outcome: Outcome, policy: Policy) -> Change:
    match verb:
        case "provision":
            return _provisioned(site, lease, outcome)
        case "admit":
            opened = replace(lease.succeeded(), phase="open", opened_at=lease.opened_at or outcome.at)
            return Change(lease=opened, reports=(opened_report(site, opened),))
        case "isolate":
            return _isolated(site, lease, outcome)
        case "release":
            return _released(site, lease, outcome, policy)
        case "observe":
            return _observed(site, lease, outcome, policy)


def _provisioned(site: str, lease: Lease, outcome: Outcome) -> Change:
    ready = replace(lease.succeeded(), phase="ready", renew=False, access=outcome.value, ready_at=outcome.at)
    return Change(lease=ready, reports=(prepared_report(site, ready, outcome.at),))


def _isolated(site: str, lease: Lease, outcome: Outcome) -> Change:
    never_ready = lease.wanted == "held" and lease.phase == "new" and not lease.gave_up
    isolated = replace(
        lease.succeeded(),
        phase="fenced" if lease.wanted == "closed" else "isolated",
        may_be_open=False,
        renew=False,
        opened_at=None,
        isolated_at=outcome.at,
        failure=lease.failure,
    )
    reports = (_report(site, isolated, "isolated", outcome.at),)
    if not never_ready:
        return Change(lease=isolated, reports=reports)
    last = from_json(Failure, lease.failure) if lease.failure else None
    reason = last.message if last else "the order came too late."
    failure = Failure(
        error=last.error if last else "DeviceUnreachable",
        remedy="stop",
        verb="provision",
        message=f"The lease ended before its device was ready: {reason}",
    )
    given_up = _give_up(site, isolated, failure, outcome.at)
    return Change(lease=given_up.lease, reports=reports + given_up.reports)


def _released(site: str, lease: Lease, outcome: Outcome, policy: Policy) -> Change:
    proof = from_json(CleanProof, outcome.value or "{}")
    if proof.is_clean:
        clean = replace(lease.succeeded(), phase="clean", proof=outcome.value)
        return Change(lease=clean, reports=(_report(site, clean, "clean", outcome.at, proof=proof),))
    missed = "; ".join(f"{c.name}: {c.found} instead of {c.expected}" for c in proof.checks if not c.passed)
    message = f"The device is not clean: {missed or 'nothing was checked'}."
    dirty = Outcome(at=outcome.at, error="DeviceBusy", message=message)
    return _failed(site, lease, "release", dirty, policy, proof=proof)


def _observed(site: str, lease: Lease, outcome: Outcome, policy: Policy) -> Change:
    seen = from_json(Observation, outcome.value or "{}")
    if seen.carries == lease.lease_id:
        return Change(lease=replace(lease, unsure=False))
    if seen.carries is None:
        lost = lease.wanted == "held" and lease.phase in {"ready", "open"}
        return Change(lease=replace(lease, unsure=False, phase="new" if lost else lease.phase))
    failure = Failure(
        error="DeviceBusy",
        remedy="stop",
        verb="observe",
        message=f"The device carries another lease, {seen.carries}. An operator has to look at it.",
    )
    return _give_up(site, lease, failure, outcome.at)


def _failed(
    site: str, lease: Lease, verb: Verb, outcome: Outcome, policy: Policy, proof: CleanProof | None = None
) -> Change:
    now = outcome.at
    wait = policy.wait_after(lease.attempts + 1)
    failure = Failure(
        error=outcome.error,  # type: ignore[arg-type]  # one of BY_NAME, as ErrorName is
        remedy=outcome.remedy.value,
        verb=verb,
        message=outcome.message,
    )
    tried = replace(
        lease,
        attempts=lease.attempts + 1,
        since=lease.since or now,
        tried=verb,
        retry_at=now + wait,
        unsure=lease.unsure or (outcome.remedy is Remedy.LOOK and verb in {"provision", "admit", "release"}),
        failure=to_json(failure),
    )
    if verb == "provision" and lease.renew and outcome.remedy is Remedy.STOP:
        # The device refused the change, not the lease: the holder stays in until the end.
        kept = replace(lease.succeeded(), renew=False)
        return Change(lease=kept, reports=(_failed_report(site, kept, failure, now, final=False),))
    if _is_final(tried, verb, outcome, policy, now + wait) and not lease.gave_up:
        return _give_up(site, tried, failure, now, proof=proof)
    report = _failed_report(site, tried, failure, now, final=lease.gave_up, proof=proof)
    return Change(lease=tried, reports=(report,))


def _is_final(lease: Lease, verb: Verb, outcome: Outcome, policy: Policy, again_at: float) -> bool:
    if lease.wanted == "released":
        return outcome.remedy is Remedy.STOP or lease.attempts >= policy.release_attempts
    if lease.wanted == "closed" or verb == "isolate":
        return False
    if outcome.remedy is Remedy.STOP:
        return True
    return again_at > max(lease.starts_at, lease.since) + policy.start_grace_s


def _give_up(site: str, lease: Lease, failure: Failure, at: float, proof: CleanProof | None = None) -> Change:
    over = replace(
        lease, gave_up=True, unsure=False, failure=to_json(failure), retry_at=max(at, lease.retry_at)
    )
    return Change(lease=over, reports=(_failed_report(site, over, failure, at, final=True, proof=proof),))


def _failed_report(
    site: str, lease: Lease, failure: Failure, at: float, *, final: bool, proof: CleanProof | None = None
) -> Report:
    detail = {"attempts": lease.attempts}
    return _report(site, lease, "failed", at, failure=failure, final=final, proof=proof, detail=detail)


def _report(site: str, lease: Lease, event: Any, at: float, **more: Any) -> Report:
    return Report(
        site=site,
        event=event,
        at=moment(at),
        lease_id=lease.lease_id,
        epoch=lease.epoch,
        revision=lease.revision,
        resource_id=lease.resource_id,
        **more,
    )
