"""The factories themselves: what they build, the database accepts."""

import pytest

from reservations.states import Status
from tests.factories import book_lease


@pytest.mark.django_db
@pytest.mark.parametrize("status", list(Status))
def test_a_lease_stands_where_it_was_asked_to_stand(status: Status) -> None:
    lease = book_lease(status=status)
    assert lease.status == status
    assert lease.events.last().to == status
