"""The phase of a reservation, in the code and asked of the database."""

from itertools import combinations

import pytest

from reservations.models import Reservation
from reservations.phase import Phase, phase_of
from reservations.selectors.reservations import reservations_in_phase
from reservations.states import Status
from tests.factories import make_reservation, make_resource, next_hour, walk_lease

S = Status


@pytest.mark.parametrize(
    ("statuses", "phase"),
    [
        ([S.REQUESTED], Phase.ASKED),
        ([S.SCHEDULED], Phase.SCHEDULED),
        ([S.PROVISIONING], Phase.PREPARING),
        ([S.ACTIVE], Phase.ACTIVE),
        ([S.RELEASING], Phase.CLEANING),
        ([S.RELEASE_FAILED], Phase.TROUBLE),
        ([S.RELEASED], Phase.OVER),
        ([S.REJECTED], Phase.REJECTED),
        ([S.CANCELLED], Phase.CANCELLED),
        ([], Phase.CANCELLED),
        ([S.REQUESTED, S.SCHEDULED], Phase.ASKED),
        ([S.SCHEDULED, S.PROVISIONING], Phase.PREPARING),
        ([S.PROVISIONING, S.ACTIVE], Phase.PREPARING),
        ([S.SCHEDULED, S.ACTIVE], Phase.PREPARING),
        ([S.ACTIVE, S.RELEASING], Phase.ACTIVE),
        ([S.ACTIVE, S.CANCELLED], Phase.ACTIVE),
        ([S.RELEASED, S.RELEASING], Phase.CLEANING),
        ([S.RELEASED, S.RELEASE_FAILED], Phase.TROUBLE),
        ([S.REJECTED, S.CANCELLED], Phase.REJECTED),
        ([S.RELEASED, S.CANCELLED], Phase.OVER),
    ],
)
def test_the_phase_is_summed_up_from_the_leases(statuses: list[Status], phase: Phase) -> None:
    assert phase_of(statuses) == phase


@pytest.mark.django_db
def test_the_database_sums_up_the_same() -> None:
    resources = [make_resource(), make_resource()]
    pairs = [(a, b) for a, b in combinations(Status, 2) if {a, b} & {S.REQUESTED, S.REJECTED} == set()]
    for number, pair in enumerate(pairs):
        reservation = make_reservation(resources, starts_at=next_hour(after_h=2 * number + 1))
        leases = reservation.leases.order_by("pk")
        for lease, status in zip(leases, pair, strict=True):
            walk_lease(lease, status)
            if status in (S.PROVISIONING, S.ACTIVE, S.RELEASING, S.RELEASE_FAILED):
                # One lease on a device at a time: the next pair needs devices of its own.
                resources = [make_resource(), make_resource()]
    everything = Reservation.objects.prefetch_related("leases")
    for phase in Phase:
        expected = {r.pk for r in everything if phase_of([lease.status for lease in r.leases.all()]) == phase}
        assert (
            set(reservations_in_phase(Reservation.objects.all(), phase).values_list("pk", flat=True))
            == expected
        )
