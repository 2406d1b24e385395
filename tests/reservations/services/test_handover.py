"""Handing a reservation over: offered and accepted, or assigned by a leader; the keys follow."""

from datetime import timedelta

import pytest

from accounts.models import Membership, Project, User
from reservations.errors import IllegalMove, Invalid, NotAllowed, NotFound
from reservations.models import Handover, Lease, OutgoingMail, OutgoingOrder, Reservation
from reservations.services.changes import cancel
from reservations.services.engine.orders import lease_orders
from reservations.services.handover import accept, decline, offer, withdraw
from reservations.states import Status
from tests.factories import book_lease, make_project, make_ssh_key, make_user, next_hour

NOW = next_hour()


@pytest.fixture
def project(db: None) -> Project:
    return make_project("quantum")


@pytest.fixture
def holder(project: Project) -> User:
    return make_user("ada", projects=[project])


@pytest.fixture
def colleague(project: Project) -> User:
    return make_user("grace", projects=[project])


def lease_of(holder: User, project: Project, status: Status = Status.SCHEDULED) -> Lease:
    return book_lease(holder=holder, project=project, status=status, purpose="Long run")


def test_the_receiver_accepts_and_holds_it(project: Project, holder: User, colleague: User) -> None:
    lease = lease_of(holder, project)
    made = offer(reservation_id=lease.reservation_id, receiver="grace", actor=holder, now=NOW)
    assert Reservation.objects.get().holder == holder, "an offer changes nothing"
    assert OutgoingMail.objects.get().to == colleague
    accept(handover_id=made.pk, actor=colleague, now=NOW)
    reservation = Reservation.objects.get()
    assert (reservation.holder, reservation.version) == (colleague, lease.reservation.version + 2)
    event = lease.events.last()
    assert event is not None
    assert (event.source, event.to, event.actor) == (lease.status, lease.status, colleague)
    assert event.reason == "Handed over by ada to grace"
    assert sorted(mail.to.username for mail in OutgoingMail.objects.all()) == ["ada", "grace", "grace"]
    assert not OutgoingOrder.objects.exists(), "the device knows nothing of it yet"


def test_a_running_lease_gets_the_new_keys_and_loses_the_old_ones(
    project: Project, holder: User, colleague: User
) -> None:
    make_ssh_key(holder, public_key="ssh-ed25519 AAAAold")
    make_ssh_key(colleague, public_key="ssh-ed25519 AAAAnew")
    lease = lease_of(holder, project, Status.ACTIVE)
    assert lease_orders([lease.pk])[lease.pk].holder.ssh_keys == ("ssh-ed25519 AAAAold",)
    made = offer(reservation_id=lease.reservation_id, receiver="grace", actor=holder, now=NOW)
    accept(handover_id=made.pk, actor=colleague, now=NOW)
    order = lease_orders([lease.pk])[lease.pk]
    assert order.holder.ssh_keys == ("ssh-ed25519 AAAAnew",)
    assert (order.holder.username, order.revision, order.epoch) == ("grace", lease.revision + 1, lease.epoch)
    assert [each.verb for each in OutgoingOrder.objects.filter(lease=lease)] == ["hold"]


def test_a_leader_assigns_at_once_and_others_do_not(project: Project, holder: User, colleague: User) -> None:
    lease = lease_of(holder, project)
    leader = make_user("lead", leads=[project])
    give = {"reservation_id": lease.reservation_id, "receiver": "grace", "now": NOW}
    with pytest.raises(NotAllowed, match="Only leaders"):
        offer(**give, actor=holder, at_once=True)
    with pytest.raises(NotAllowed, match="Only its holder"):
        offer(**give, actor=colleague)
    offer(**give, actor=leader, at_once=True)
    assert Reservation.objects.get().holder == colleague
    event = lease.events.last()
    assert event is not None
    assert event.reason.endswith(", assigned by lead")


def test_only_members_whose_membership_counts_get_it(project: Project, holder: User, colleague: User) -> None:
    lease = lease_of(holder, project)
    make_user("stranger")
    Membership.objects.filter(user=colleague).update(expires_at=NOW - timedelta(days=30))
    for name in ("stranger", "grace", "ada", "nobody"):
        with pytest.raises(Invalid):
            offer(reservation_id=lease.reservation_id, receiver=name, actor=holder, now=NOW)
    assert not Handover.objects.exists()


def test_an_offer_is_declined_withdrawn_or_replaced_and_answered_once(
    project: Project, holder: User, colleague: User
) -> None:
    lease = lease_of(holder, project)
    third = make_user("edsger", projects=[project])
    give = {"reservation_id": lease.reservation_id, "actor": holder, "now": NOW}
    first = offer(**give, receiver="grace")
    second = offer(**give, receiver="edsger")
    with pytest.raises(IllegalMove, match="Withdrawn"):
        accept(handover_id=first.pk, actor=colleague, now=NOW)
    with pytest.raises(NotFound):
        accept(handover_id=second.pk, actor=colleague, now=NOW)
    decline(handover_id=second.pk, actor=third, now=NOW)
    again = offer(**give, receiver="grace")
    withdraw(handover_id=again.pk, actor=holder, now=NOW)
    outcomes = list(Handover.objects.order_by("pk").values_list("outcome", flat=True))
    assert outcomes == ["withdrawn", "declined", "withdrawn"]
    assert Reservation.objects.get().holder == holder


def test_what_is_over_or_being_cleaned_is_not_handed_over(
    project: Project, holder: User, colleague: User
) -> None:
    for status in (Status.RELEASING, Status.RELEASED, Status.CANCELLED):
        lease = lease_of(holder, project, status)
        with pytest.raises(IllegalMove, match="nothing left"):
            offer(reservation_id=lease.reservation_id, receiver="grace", actor=holder, now=NOW)


def test_an_offer_of_what_ended_meanwhile_is_refused(project: Project, holder: User, colleague: User) -> None:
    lease = lease_of(holder, project)
    made = offer(reservation_id=lease.reservation_id, receiver="grace", actor=holder, now=NOW)
    cancel(reservation_id=lease.reservation_id, actor=holder, now=NOW)
    with pytest.raises(IllegalMove):
        accept(handover_id=made.pk, actor=colleague, now=NOW)
    assert Reservation.objects.get().holder == holder
