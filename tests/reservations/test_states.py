"""The table of moves, in the code and in the database."""

from itertools import product

import pytest
from django.db import IntegrityError, connection, transaction

from reservations.models import Lease
from reservations.states import FIRST, MOVES, OVER, Status, is_legal


def test_every_state_is_in_the_table() -> None:
    assert set(MOVES) == set(Status)
    assert {status for status, moves in MOVES.items() if not moves} == OVER


@pytest.mark.django_db
def test_migrations_ran() -> None:
    with connection.cursor() as c:
        c.execute("select nextval('shary_epoch')")
        assert c.fetchone()[0] >= 1
