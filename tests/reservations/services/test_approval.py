"""Each site approves its own leases."""

from datetime import timedelta

import pytest

from reservations.errors import IllegalMove, NotAllowed
from reservations.models import Lease, OutgoingMail
from reservations.services.approval import approve_lease, reject_lease
from reservations.states import Status
from tests.factories import book_lease, make_reservation, make_resource, make_site, make_superuser, make_user

pytestmark = pytest.mark.django_db


def test_an_operator_approves_and_the_holder_is_told() -> None:
    lease = book_lease(status=Status.REQUESTED)
    operator = make_user(operates=[lease.resource.site])
    now = lease.starts_at - timedelta(days=1)
    approved = approve_lease(lease_id=lease.pk, actor=operator, reason="Welcome", now=now)
    assert approved.status == Status.SCHEDULED
    assert approved.next_action_at == lease.starts_at - timedelta(seconds=lease.preparation_s)
    assert OutgoingMail.objects.get().to == lease.reservation.holder
    with pytest.raises(IllegalMove, match="not waiting for approval"):
        approve_lease(lease_id=lease.pk, actor=operator, now=now)


def test_a_rejection_cancels_the_siblings() -> None:
    reservation = make_reservation([make_resource(), make_resource()], status=Status.REQUESTED)
    first, second = reservation.leases.order_by("pk")
    reject_lease(lease_id=first.pk, actor=make_superuser(), reason="Exams", now=reservation.starts_at)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == (Status.REJECTED, Status.CANCELLED)
    assert "all or nothing" in second.events.last().reason


@pytest.mark.parametrize("verb", [approve_lease, reject_lease])
def test_only_operators_of_the_site_decide(verb: object) -> None:
    lease = book_lease(status=Status.REQUESTED)
    for stranger in (lease.reservation.holder, make_user(operates=[make_site()])):
        with pytest.raises(NotAllowed, match="Only an operator"):
            verb(lease_id=lease.pk, actor=stranger, now=lease.starts_at)  # type: ignore[operator]
    assert Lease.objects.get(pk=lease.pk).status == Status.REQUESTED
