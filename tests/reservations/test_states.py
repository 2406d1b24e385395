"""The table of moves, in the code and in the database."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from reservations.management.commands.draw_lease_states import page
from reservations.models import Lease, LeaseEvent, Proof
from reservations.services.gate import move, record_moves
from reservations.states import FIRST, HOLDING, IN_WORKER, MOVES, ON_DEVICE, OVER, Status, is_legal
from tests.factories import book_lease, make_resource, next_hour


def test_every_state_is_in_the_table() -> None:
    assert set(MOVES) == set(Status)
    assert {status for status, moves in MOVES.items() if not moves} == OVER
    assert set(Status) - OVER == HOLDING
    assert IN_WORKER < ON_DEVICE < HOLDING


def test_every_state_can_be_reached_and_left() -> None:
    reached = set(FIRST)
    for _ in Status:
        reached |= {to for source in reached for to in MOVES[source]}
    assert reached == set(Status)


def test_the_page_is_drawn_from_the_code() -> None:
    drawn = Path(settings.BASE_DIR, "docs/lease-states.md").read_text()
    assert drawn == page(), "run `manage.py draw_lease_states > docs/lease-states.md`"


@pytest.mark.django_db
@pytest.mark.parametrize("source", list(Status))
def test_the_database_knows_the_same_moves(source: Status) -> None:
    lease = book_lease(status=source)
    for to in set(Status) - {source}:
        if is_legal(source, to):
            with transaction.atomic():
                _write(lease, source, to)
                transaction.set_rollback(True)
        else:
            with pytest.raises(DatabaseError, match="cannot move"), transaction.atomic():
                _write(lease, source, to)


@pytest.mark.django_db
@pytest.mark.parametrize("status", sorted(set(Status) - FIRST))
def test_a_lease_cannot_begin_in_the_middle(status: Status) -> None:
    other = book_lease()
    lease = Lease(
        reservation=other.reservation,
        resource=make_resource(),
        status=status,
        starts_at=next_hour(),
        ends_at=next_hour(after_h=2),
        preparation_s=0,
        cleanup_s=0,
        epoch=1,
        next_action_at=next_hour(),
    )
    with pytest.raises(DatabaseError, match="cannot begin"), transaction.atomic():
        lease.save(force_insert=True)


@pytest.mark.django_db
def test_a_move_without_an_event_is_refused_at_the_commit() -> None:
    lease = book_lease()
    with pytest.raises(DatabaseError, match="without an event"), transaction.atomic():
        Lease.objects.filter(pk=lease.pk).update(status=Status.CANCELLED, next_action_at=None)
        _check_now()


@pytest.mark.django_db
def test_an_event_of_another_move_does_not_count() -> None:
    lease = book_lease()
    with pytest.raises(DatabaseError, match="without an event"), transaction.atomic():
        Lease.objects.filter(pk=lease.pk).update(status=Status.CANCELLED, next_action_at=None)
        record_moves(
            [lease.pk], source=Status.REQUESTED, to=Status.CANCELLED, now=lease.starts_at, actor=None, reason=""
        )
        _check_now()


@pytest.mark.django_db
def test_the_gate_moves_only_from_where_the_caller_thinks_it_is() -> None:
    lease = book_lease()
    now = lease.starts_at
    assert move(lease_id=lease.pk, source=Status.SCHEDULED, to=Status.CANCELLED, now=now, reason="No need")
    assert not move(lease_id=lease.pk, source=Status.SCHEDULED, to=Status.CANCELLED, now=now)
    assert [event.to for event in lease.events.all()] == ["SCHEDULED", "CANCELLED"]


@pytest.mark.django_db
def test_the_gate_refuses_an_illegal_move_before_the_database_does() -> None:
    lease = book_lease()
    with pytest.raises(ValueError, match="cannot move from SCHEDULED to RELEASED"):
        move(lease_id=lease.pk, source=Status.SCHEDULED, to=Status.RELEASED, now=lease.starts_at)


@pytest.mark.django_db
def test_events_and_proofs_are_never_changed() -> None:
    lease = book_lease(status=Status.RELEASED)
    proof = Proof.objects.create(
        lease=lease,
        resource=lease.resource,
        epoch=1,
        is_clean=True,
        checks=[],
        verified_at=lease.ends_at,
        verifier="test",
        digest="0" * 64,
    )
    for rows in (LeaseEvent.objects.filter(lease=lease), Proof.objects.filter(pk=proof.pk)):
        table = rows.model._meta.db_table
        with (
            pytest.raises(DatabaseError, match="evidence"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(f"DELETE FROM {table} WHERE lease_id = %s", [lease.pk])
    with pytest.raises(DatabaseError, match="evidence"), transaction.atomic():
        LeaseEvent.objects.filter(lease=lease).update(reason="Nothing happened")


@pytest.mark.django_db
def test_a_lease_that_is_not_over_always_has_a_next_action() -> None:
    lease = book_lease()
    with pytest.raises(DatabaseError, match="lease_cannot_hang"), transaction.atomic():
        Lease.objects.filter(pk=lease.pk).update(next_action_at=None)


def _write(lease: Lease, source: Status, to: Status) -> None:
    Lease.objects.filter(pk=lease.pk).update(
        status=to,
        epoch=lease.epoch or 1,
        deadline_at=lease.ends_at,
        next_action_at=None if to in OVER else lease.ends_at + timedelta(1),
    )
    record_moves([lease.pk], source=source, to=to, now=lease.starts_at, actor=None, reason="tried")
    _check_now()


def _check_now() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
