"""What takes two people: nobody confirms themselves, and what is not confirmed in time is forgotten."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from reservations.errors import IllegalMove, NeedsSecondPerson, NotAllowed
from reservations.models import Countersign, Lease, OutgoingMail
from reservations.policy import CONFIRM_WITHIN
from reservations.services.changes import cancel, end_now
from reservations.services.cleaning import vouch
from reservations.services.second_person import refuse
from reservations.states import Status
from resources.models import Site
from tests.factories import book_lease, make_resource, make_site, make_superuser, make_user, next_hour

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    return make_site("roma", name="Roma", second_person=True)


@pytest.fixture
def operator(site: Site) -> User:
    return make_user("operator", operates=[site])


def running(site: Site) -> Lease:
    start = next_hour() - timedelta(hours=2)
    return book_lease(make_resource(site), status=Status.ACTIVE, starts_at=start, hours=9)


def stuck(site: Site) -> Lease:
    start = next_hour() - timedelta(hours=9)
    return book_lease(make_resource(site), status=Status.RELEASE_FAILED, starts_at=start)


def test_a_new_site_wants_two() -> None:
    assert Site().second_person


@pytest.mark.parametrize("second", ["colleague", "manager"])
@pytest.mark.parametrize("verb", [end_now, cancel])
def test_another_projects_running_lease_is_ended_by_two(
    site: Site, operator: User, second: str, verb: object
) -> None:
    lease, now = running(site), timezone.now()
    with pytest.raises(NeedsSecondPerson, match="another operator of Roma"):
        verb(reservation_id=lease.reservation_id, actor=operator, now=now, words="It burns")  # type: ignore[operator]
    lease.refresh_from_db()
    assert lease.status == Status.ACTIVE
    other = make_user(operates=[site]) if second == "colleague" else make_superuser()
    verb(reservation_id=lease.reservation_id, actor=other, now=now, words="I see smoke")  # type: ignore[operator]
    lease.refresh_from_db()
    assert lease.status == Status.RELEASING
    assert f"asked for by operator, confirmed by {other.username}" in lease.events.last().reason
    wish = lease.countersigns.get()
    assert (wish.answer, wish.answered_by, wish.words) == ("confirmed", other, "I see smoke")


def test_a_manager_alone_displaces_nobody_either(site: Site) -> None:
    lease = running(site)
    with pytest.raises(NeedsSecondPerson):
        end_now(reservation_id=lease.reservation_id, actor=make_superuser(), now=timezone.now())


def test_ones_own_lease_and_ones_own_project_need_nobody(site: Site) -> None:
    lease = running(site)
    end_now(reservation_id=lease.reservation_id, actor=lease.reservation.holder, now=timezone.now())
    lease.refresh_from_db()
    assert lease.status == Status.RELEASING
    mine = running(site)
    leader = make_user(leads=[mine.reservation.project], operates=[site])
    end_now(reservation_id=mine.reservation_id, actor=leader, now=timezone.now())
    assert not Countersign.objects.exists()


def test_what_has_not_started_is_cancelled_by_one(site: Site, operator: User) -> None:
    lease = book_lease(make_resource(site), starts_at=next_hour(after_h=9))
    cancel(reservation_id=lease.reservation_id, actor=operator, now=timezone.now())
    lease.refresh_from_db()
    assert lease.status == Status.CANCELLED


def test_a_site_can_leave_it_to_one(site: Site, operator: User) -> None:
    Site.objects.filter(pk=site.pk).update(second_person=False)
    lease = Lease.objects.select_related("resource__site").get(pk=stuck(site).pk)
    vouch(lease, actor=operator, reason="Looked", now=timezone.now())
    lease.refresh_from_db()
    assert lease.status == Status.RELEASED


def test_asking_twice_confirms_nothing_and_writes_to_the_others_once(site: Site, operator: User) -> None:
    make_user("colleague", operates=[site])
    lease = stuck(site)
    for _ in range(3):
        with pytest.raises(NeedsSecondPerson):
            vouch(lease, actor=operator, reason="Looked", now=timezone.now())
    assert Countersign.objects.count() == 1
    assert OutgoingMail.objects.filter(to__username="colleague").count() == 1


def test_what_is_not_confirmed_in_time_is_forgotten(site: Site, operator: User) -> None:
    lease, now = stuck(site), timezone.now()
    with pytest.raises(NeedsSecondPerson):
        vouch(lease, actor=operator, reason="Looked", now=now)
    colleague = make_user("colleague", operates=[site])
    with pytest.raises(NeedsSecondPerson):
        vouch(lease, actor=colleague, reason="Me, too", now=now + CONFIRM_WITHIN)
    lease.refresh_from_db()
    assert lease.status == Status.RELEASE_FAILED
    assert Countersign.objects.get(answer="").asked_by == colleague


def test_what_was_refused_is_not_confirmed_any_more(site: Site, operator: User) -> None:
    lease, now = stuck(site), timezone.now()
    with pytest.raises(NeedsSecondPerson):
        vouch(lease, actor=operator, reason="Looked", now=now)
    wish = Countersign.objects.get()
    with pytest.raises(NotAllowed):
        refuse(wish_id=wish.pk, actor=make_user(), reason="", now=now)
    colleague = make_user(operates=[site])
    refuse(wish_id=wish.pk, actor=colleague, reason="Look again", now=now)
    with pytest.raises(IllegalMove, match="answered meanwhile"):
        refuse(wish_id=wish.pk, actor=colleague, reason="", now=now)
    with pytest.raises(NeedsSecondPerson):
        vouch(lease, actor=colleague, reason="Looked", now=now)
