"""Taking a device back: release, proof, and what an operator can do when there is none."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from accounts.models import User
from adapters.contract import Check, CleanProof
from reservations.errors import IllegalMove, NotAllowed
from reservations.models import Countersign, Lease, Proof
from reservations.policy import RELEASE_PATIENCE, RELEASE_RETRY_EVERY, RESEND_AFTER
from reservations.selectors.visibility import may_operate
from reservations.services.engine.doorbell import ring_after_commit
from reservations.services.engine.orders import write_orders
from reservations.services.gate import move, move_many
from reservations.services.quarantine import lift_quarantine, quarantine
from reservations.services.second_person import confirm, second_person
from reservations.states import Status


def begin_release(
    leases: Iterable[Lease],
    *,
    source: Status,
    reason: str,
    now: datetime,
    actor: User | None = None,
) -> None:
    """Have the site close access, clean and prove."""
    leases = list(leases)
    for patience, group in _by_patience(leases).items():
        move_many(
            lease_ids=[lease.pk for lease in group],
            source=source,
            to=Status.RELEASING,
            now=now,
            actor=actor,
            reason=reason,
            next_action_at=now + RESEND_AFTER,
            deadline_at=now + patience,
            revision=F("revision") + 1,
            attempts=0,
            trouble="",
        )
    write_orders(leases, verb="release")


def accept_proof(lease: Lease, proof: CleanProof, *, now: datetime) -> None:
    """Keep the evidence; hand the device on if it is clean, quarantine it if not."""
    keep_proof(lease, proof)
    if not proof.is_clean:
        failed = "; ".join(
            f"{c.name}: expected {c.expected}, found {c.found}" for c in proof.checks if not c.passed
        )
        if lease.status == Status.RELEASING:
            give_up_release(lease, reason=f"Not clean: {failed or 'nothing was checked'}", now=now)
        return
    if lease.status == Status.RELEASE_FAILED:
        move(
            lease_id=lease.pk,
            source=Status.RELEASE_FAILED,
            to=Status.RELEASING,
            now=now,
            reason="The site has cleaned it after all",
            next_action_at=now,
            deadline_at=now + RELEASE_PATIENCE,
        )
    moved = move(
        lease_id=lease.pk,
        source=Status.RELEASING,
        to=Status.RELEASED,
        now=now,
        reason=f"Proven clean by {proof.verifier}: {len(proof.checks)} checks passed",
        trouble="",
        access="",
    )
    if moved:
        lift_quarantine(lease)
        _wake_the_next(lease, now)


def keep_proof(lease: Lease, proof: CleanProof) -> None:
    """Keep the evidence, whatever it says; the same evidence again is kept once."""
    Proof.objects.get_or_create(
        lease=lease,
        digest=proof.digest,
        defaults={
            "resource_id": lease.resource_id,
            "epoch": lease.epoch or 0,
            "is_clean": proof.is_clean,
            "checks": [
                {
                    "name": check.name,
                    "expected": check.expected,
                    "found": check.found,
                    "passed": check.passed,
                    "method": check.method,
                }
                for check in proof.checks
            ],
            "verified_at": proof.verified_at,
            "verifier": proof.verifier,
        },
    )


def give_up_release(lease: Lease, *, reason: str, now: datetime) -> None:
    """The device is not proven clean: nobody gets it until it is, and the operators are told."""
    moved = move(
        lease_id=lease.pk,
        source=Status.RELEASING,
        to=Status.RELEASE_FAILED,
        now=now,
        reason=reason,
        next_action_at=now + RELEASE_RETRY_EVERY,
        deadline_at=None,
        trouble=reason,
    )
    if moved:
        quarantine(lease.resource, reason=reason, now=now)


def retry_release(lease: Lease, *, actor: User, now: datetime) -> None:
    """Have the site try again to clean the device and prove it."""
    if not may_operate(actor, lease.resource.site):
        raise NotAllowed(f"Only an operator of {lease.resource.site} can have it cleaned again.")
    with transaction.atomic():
        if lease.status != Status.RELEASE_FAILED:
            raise IllegalMove(f"{lease.resource} is not waiting to be cleaned again.")
        begin_release([lease], source=Status.RELEASE_FAILED, reason="Retried by hand", now=now, actor=actor)
        ring_after_commit()


def vouch(lease: Lease, *, actor: User, reason: str, now: datetime) -> None:
    """An operator has looked at the device and says that it is clean; that is the proof, with their name."""
    site = lease.resource.site
    if not may_operate(actor, site):
        raise NotAllowed(f"Only an operator of {site} can vouch for its devices.")
    if not reason.strip():
        raise IllegalMove("Say how you made sure that the device is clean; your words are kept as the proof.")
    if lease.status != Status.RELEASE_FAILED:
        raise IllegalMove(f"{lease.resource} is not waiting for anybody to vouch for it.")
    wish = second_person(lease, verb=Countersign.Verb.VOUCH, actor=actor, reason=reason.strip(), now=now)
    witnesses = [(actor, reason)] if wish is None else [(wish.asked_by, wish.reason), (actor, reason)]
    checks = tuple(
        Check(
            name="Looked at by an operator",
            expected="clean",
            found=words.strip(),
            passed=True,
            method="by hand",
        )
        for _, words in witnesses
    )
    verifier = "operators " if wish else "operator "
    verifier += " and ".join(person.username for person, _ in witnesses)
    proof = CleanProof(checks=checks, verified_at=now, verifier=verifier)
    with transaction.atomic():
        both = confirm(wish, actor=actor, reason=reason.strip(), now=now)
        moved = move(
            lease_id=lease.pk,
            source=Status.RELEASE_FAILED,
            to=Status.RELEASED,
            now=now,
            actor=actor,
            reason=f"Vouched for: {'; '.join(words.strip() for _, words in witnesses)}"
            + (f" ({both})" if both else ""),
            trouble="",
            access="",
        )
        if not moved:
            raise IllegalMove(f"{lease.resource} is not waiting for anybody to vouch for it.")
        keep_proof(lease, proof)
        lift_quarantine(lease)
        _wake_the_next(lease, now)


def _wake_the_next(lease: Lease, now: datetime) -> None:
    """A lease that waited for this proof looks again at once."""
    waiting = Lease.objects.filter(
        status=Status.SCHEDULED,
        next_action_at__gt=now,
        starts_at__lte=now + F("preparation_s") * timedelta(seconds=1),
        resource__covers__part__covered_by__whole=lease.resource_id,
    )
    if waiting.update(next_action_at=now):
        ring_after_commit()


def _by_patience(leases: Iterable[Lease]) -> dict[timedelta, list[Lease]]:
    groups: dict[timedelta, list[Lease]] = {}
    for lease in leases:
        patience = 2 * timedelta(seconds=lease.cleanup_s) + RELEASE_PATIENCE
        groups.setdefault(patience, []).append(lease)
    return groups
