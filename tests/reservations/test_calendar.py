"""The guards of the calendar, in the database itself."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from reservations.models import CalendarEntry, Lease
from reservations.selectors.availability import Wanted, free_resource_ids
from reservations.states import HOLDING, ON_DEVICE, Status
from resources.models import Cover, MaintenanceWindow, Resource
from tests.factories import book_lease, make_resource, make_site, next_hour, walk_lease

pytestmark = pytest.mark.django_db


def test_two_leases_never_hold_one_device_at_the_same_time() -> None:
    lease = book_lease()
    with pytest.raises(IntegrityError, match="already booked"), transaction.atomic():
        book_lease(lease.resource, starts_at=lease.starts_at + timedelta(minutes=30))


def test_preparation_and_clean_up_are_kept_free_too() -> None:
    card = make_resource(preparation_s=120, cleanup_s=180)
    lease = book_lease(card)
    with pytest.raises(IntegrityError), transaction.atomic():
        book_lease(card, starts_at=lease.ends_at + timedelta(seconds=299))
    assert book_lease(card, starts_at=lease.ends_at + timedelta(seconds=300)).pk


def test_touching_windows_do_not_conflict() -> None:
    card = make_resource(preparation_s=0, cleanup_s=0)
    lease = book_lease(card)
    assert book_lease(card, starts_at=lease.ends_at).pk


@pytest.mark.parametrize("status", list(Status))
def test_a_lease_keeps_its_slot_exactly_as_long_as_it_is_not_over(status: Status) -> None:
    lease = book_lease(status=status)
    entry = CalendarEntry.objects.get(lease=lease)
    assert entry.holding == (status in HOLDING)
    assert entry.on_device == (status in ON_DEVICE)


def test_taking_the_whole_takes_its_parts_and_the_other_way_round() -> None:
    host = make_resource(kind="gpu_host")
    card = make_resource(parent=host)
    slice_ = make_resource(parent=card)
    other = make_resource(parent=host)
    lease = book_lease(slice_)
    at = lease.starts_at
    for taken in (slice_, card, host):
        with pytest.raises(IntegrityError), transaction.atomic():
            book_lease(taken, starts_at=at)
    assert book_lease(other, starts_at=at).pk, "another card of the same host is free"
    later = lease.ends_at + timedelta(hours=1)
    book_lease(host, starts_at=later)
    for taken in (host, card, slice_, other):
        with pytest.raises(IntegrityError), transaction.atomic():
            book_lease(taken, starts_at=later)


def test_a_whole_of_which_a_part_is_taken_is_not_free() -> None:
    host = make_resource(kind="gpu_host")
    card, other = make_resource(parent=host), make_resource(parent=host)
    lease = book_lease(card)
    window = {"starts_at": lease.starts_at, "ends_at": lease.ends_at}
    assert free_resource_ids(Wanted(kind="gpu_host"), **window) == []
    assert free_resource_ids(Wanted(kind="gpu"), **window) == [other.pk]


def test_a_part_that_is_entered_later_is_taken_by_whoever_has_its_whole() -> None:
    host = make_resource(kind="gpu_host")
    lease = book_lease(host)
    card = make_resource(parent=host)
    with pytest.raises(IntegrityError), transaction.atomic():
        book_lease(card, starts_at=lease.starts_at)


def test_a_whole_covers_its_parts_at_every_depth() -> None:
    host = make_resource(kind="gpu_host")
    card = make_resource(parent=host)
    slice_ = make_resource(parent=card)
    depths = dict(Cover.objects.filter(whole=host).values_list("part_id", "depth"))
    assert depths == {host.pk: 0, card.pk: 1, slice_.pk: 2}


def test_a_resource_stays_where_it_was_entered() -> None:
    card = make_resource()
    with pytest.raises(DatabaseError, match="cannot become a part"), transaction.atomic():
        Resource.objects.filter(pk=card.pk).update(parent=make_resource(card.site))


def test_maintenance_and_leases_share_one_constraint() -> None:
    host = make_resource(kind="gpu_host")
    card = make_resource(parent=host)
    lease = book_lease(card)
    with pytest.raises(IntegrityError), transaction.atomic():
        MaintenanceWindow.objects.create(resource=host, starts_at=lease.starts_at, ends_at=lease.ends_at)
    later = lease.ends_at + timedelta(days=1)
    window = MaintenanceWindow.objects.create(
        resource=host, starts_at=later, ends_at=later + timedelta(hours=4)
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        book_lease(card, starts_at=later)
    window.delete()
    assert book_lease(card, starts_at=later).pk


def test_a_device_is_in_one_holders_hands_whatever_the_plan_says() -> None:
    card = make_resource()
    first = book_lease(card, status=Status.RELEASE_FAILED)
    second = book_lease(card, starts_at=first.ends_at + timedelta(hours=1))
    with pytest.raises(IntegrityError, match="one_lease_on_a_device"), transaction.atomic():
        walk_lease(second, Status.PROVISIONING, first=Status.SCHEDULED)


def test_the_entries_follow_a_lease_to_another_device_and_another_window() -> None:
    lease = book_lease()
    other = make_resource(lease.resource.site)
    Lease.objects.filter(pk=lease.pk).update(resource=other)
    assert [entry.resource_id for entry in CalendarEntry.objects.filter(lease=lease)] == [other.pk]
    Lease.objects.filter(pk=lease.pk).update(ends_at=lease.ends_at + timedelta(hours=3))
    entry = CalendarEntry.objects.get(lease=lease)
    assert entry.occupies.upper == lease.ends_at + timedelta(hours=3, seconds=lease.cleanup_s)


def test_finding_free_devices_uses_the_index_on_kind() -> None:
    make_resource()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT resource_id FROM reservations_calendarentry"
            " WHERE holding AND kind = 'gpu' AND occupies && tstzrange(now(), now() + interval '1 hour')"
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "entry_by_kind" in plan


class FreeAgreesWithTheConstraint(TestCase):
    """What is said to be free can be booked, and what is not cannot."""

    @settings(max_examples=25, deadline=None)
    @given(
        booked=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20), st.integers(1, 6)), max_size=8),
        asked=st.tuples(st.integers(0, 20), st.integers(1, 6)),
    )
    def test_free_means_bookable(self, booked: list[tuple[int, int, int]], asked: tuple[int, int]) -> None:
        site = make_site()
        cards = [make_resource(site, preparation_s=60 * n, cleanup_s=120 * n) for n in range(4)]
        start = next_hour()
        for card, begins, length in booked:
            try:
                with transaction.atomic():
                    at = start + timedelta(minutes=10 * begins)
                    book_lease(cards[card], starts_at=at, hours=length / 6)
            except IntegrityError:
                continue
        begins, length = asked
        at = start + timedelta(minutes=10 * begins)
        free = set(
            free_resource_ids(Wanted(kind="gpu"), starts_at=at, ends_at=at + timedelta(minutes=10 * length))
        )
        for card in cards:
            try:
                with transaction.atomic():
                    book_lease(card, starts_at=at, hours=length / 6)
                    transaction.set_rollback(True)
                    bookable = True
            except IntegrityError:
                bookable = False
            assert bookable == (card.pk in free)
