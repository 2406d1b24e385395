"""Leases of people who may hold them no more."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount

from accounts.memberships import remove
from accounts.models import IdentityProvider, Membership, User
from accounts.telling import told
from reservations.models import Lease, LeaseEvent, OutgoingOrder
from reservations.services.departures import end_for_departed
from reservations.states import Status
from tests.factories import book_lease, make_project, make_superuser, make_user, next_hour

NOW = datetime.now(UTC)


@pytest.fixture
def holder(db: None) -> User:
    """Somebody whom a provider vouches for."""
    user = make_user()
    provider = IdentityProvider.objects.create(
        slug="uni-a",
        name="University A",
        protocol=IdentityProvider.Protocol.OIDC,
        issuer="https://login.uni-a.example",
        client_id="x",
    )
    SocialAccount.objects.create(user=user, provider=provider.slug, uid="person-1")
    return user


def leases_of(holder: User) -> tuple[Lease, Lease]:
    """Return a lease that runs and one that lies ahead."""
    project = make_project(members=[holder])
    mine: dict[str, Any] = {"holder": holder, "project": project}
    running = book_lease(**mine, starts_at=next_hour() - timedelta(hours=2), hours=5, status=Status.ACTIVE)
    return running, book_lease(**mine, starts_at=next_hour(after_h=24))


def assert_ended(running: Lease, ahead: Lease, because: str) -> None:
    running.refresh_from_db()
    ahead.refresh_from_db()
    assert (running.status, ahead.status) == (Status.RELEASING, Status.CANCELLED)
    assert running.ends_at <= datetime.now(UTC)
    for lease in (running, ahead):
        assert because in LeaseEvent.objects.filter(lease=lease).latest("pk").reason
    assert OutgoingOrder.objects.filter(lease=running, verb="release").exists()


def test_who_may_hold_them_keeps_them(holder: User):
    running, ahead = leases_of(holder)
    assert end_for_departed(now=NOW) == 0
    running.refresh_from_db()
    ahead.refresh_from_db()
    assert (running.status, ahead.status) == (Status.ACTIVE, Status.SCHEDULED)


def test_a_person_who_is_switched_off_loses_them(holder: User):
    leases = leases_of(holder)
    User.objects.filter(pk=holder.pk).update(is_active=False)
    assert end_for_departed(now=NOW) == 2
    assert_ended(*leases, "switched off")


def test_when_a_provider_is_switched_off_its_people_lose_them_with_the_reason(holder: User):
    leases = leases_of(holder)
    others = leases_of(make_user())
    IdentityProvider.objects.update(is_enabled=False, disabled_because="Its keys were stolen")
    assert end_for_departed(now=NOW) == 2
    assert_ended(*leases, "University A is switched off: Its keys were stolen")
    assert set(
        Lease.objects.filter(pk__in=[lease.pk for lease in others]).values_list("status", flat=True)
    ) == {
        Status.ACTIVE,
        Status.SCHEDULED,
    }


def test_an_expired_membership_ends_them_and_says_so(holder: User):
    leases = leases_of(holder)
    Membership.objects.update(source="uni-a", expires_at=NOW - timedelta(minutes=1))
    assert end_for_departed(now=NOW) == 2
    assert_ended(*leases, "sign in again")
    assert not Membership.objects.exists()


def test_being_put_out_of_the_project_ends_them(holder: User):
    leases = leases_of(holder)
    project = leases[0].reservation.project
    remove(slug=project.slug, username=holder.username, actor=make_superuser(), now=NOW)
    assert end_for_departed(now=NOW) == 2
    assert_ended(*leases, f"no longer in {project}")


def test_a_manager_who_books_for_others_keeps_them(db: None):
    lease = book_lease(holder=make_superuser(), project=make_project())
    assert end_for_departed(now=NOW) == 0
    lease.refresh_from_db()
    assert lease.status == Status.SCHEDULED


def test_the_holder_is_told_once_and_why(holder: User):
    leases_of(holder)
    heard: list[dict[str, Any]] = []

    def hear(sender: Any, **said: Any) -> None:
        heard.append(said)

    User.objects.filter(pk=holder.pk).update(is_active=False)
    told.connect(hear)
    try:
        end_for_departed(now=NOW)
        end_for_departed(now=NOW)
    finally:
        told.disconnect(hear)
    assert [said["to"] for said in heard] == [holder, holder]
    assert all("switched off" in said["body"] for said in heard)
    assert len({said["key"] for said in heard}) == 2
