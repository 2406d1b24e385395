"""Who is in a project: invitations, requests, and what becomes of leaders."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts import invitations, join_requests, memberships
from accounts.errors import AlreadyThere, InvitationOver, LastLeader, NotThere, NotYours, TooMany
from accounts.models import Invitation, JoinRequest, Membership, MembershipEvent, Project, User
from reservations.models import OutgoingMail
from reservations.selectors.visibility import visible_reservations
from reservations.services.booking import project_to_charge
from tests.callers import codes, script_of
from tests.factories import book_lease, make_project, make_user

pytestmark = pytest.mark.django_db
What = MembershipEvent.What


@pytest.fixture
def leader() -> User:
    return make_user("leader")


@pytest.fixture
def project(leader: User) -> Project:
    return make_project("network", name="Network group", leaders=[leader])


def role_of(user: User, project: Project) -> str | None:
    return Membership.objects.filter(user=user, project=project).values_list("role", flat=True).first()


def told(user: User) -> list[str]:
    return list(OutgoingMail.objects.filter(to=user).values_list("subject", flat=True))


def test_an_invitation_by_name_waits_for_its_receiver_and_lets_them_in(leader: User, project: Project) -> None:
    now, ada = timezone.now(), make_user("ada")
    made, secret = invitations.invite(slug="network", username="ada", actor=leader, now=now)
    assert secret == ""
    assert invitations.invitations_for(ada, now) == [made]
    assert told(ada) == ["You are invited into Network group"]
    with pytest.raises(NotThere):
        invitations.accept(invitation_id=made.pk, actor=make_user(), now=now)
    invitations.accept(invitation_id=made.pk, actor=ada, now=now)
    assert role_of(ada, project) == "member"
    assert [event.what for event in project.events.filter(user=ada)] == [What.JOINED, What.INVITED]
    assert told(leader) == ["ada joined Network group"]


def test_a_link_works_once_and_binds_to_whoever_accepts_it(leader: User, project: Project) -> None:
    now = timezone.now()
    made, secret = invitations.invite(slug="network", email="x@uni-b.example", actor=leader, now=now)
    assert secret
    kept = Invitation.objects.get(pk=made.pk)
    assert secret not in str(vars(kept))
    ada = make_user("ada")
    invitations.accept(secret=secret, actor=ada, now=now)
    assert Invitation.objects.get(pk=made.pk).accepted_by == ada
    with pytest.raises(InvitationOver):
        invitations.accept(secret=secret, actor=make_user(), now=now)
    with pytest.raises(NotThere):
        invitations.accept(secret="something-else", actor=make_user(), now=now)


@pytest.mark.parametrize("how", ["expired", "declined", "withdrawn"])
def test_an_invitation_that_is_over_lets_nobody_in(how: str, leader: User, project: Project) -> None:
    now, ada = timezone.now(), make_user("ada")
    made, _ = invitations.invite(slug="network", username="ada", actor=leader, now=now)
    if how == "declined":
        invitations.decline(invitation_id=made.pk, actor=ada, now=now)
    if how == "withdrawn":
        invitations.withdraw(invitation_id=made.pk, actor=leader, now=now)
    later = now + (invitations.VALID_FOR if how == "expired" else timedelta())
    with pytest.raises(InvitationOver):
        invitations.accept(invitation_id=made.pk, actor=ada, now=later)
    assert role_of(ada, project) is None


def test_nobody_is_invited_twice_or_into_what_they_are_in(leader: User, project: Project) -> None:
    now = timezone.now()
    make_user("ada")
    invitations.invite(slug="network", username="ada", actor=leader, now=now)
    with pytest.raises(AlreadyThere):
        invitations.invite(slug="network", username="ada", actor=leader, now=now)
    with pytest.raises(AlreadyThere):
        invitations.invite(slug="network", username="leader", actor=leader, now=now)
    later = now + invitations.VALID_FOR
    invitations.invite(slug="network", username="ada", actor=leader, now=later)


def test_a_project_sends_only_so_many_invitations(
    leader: User, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations, "MOST_OPEN", 2)
    for name in ("a", "b"):
        invitations.invite(slug="network", email=f"{name}@uni-b.example", actor=leader, now=timezone.now())
    with pytest.raises(TooMany):
        invitations.invite(slug="network", email="c@uni-b.example", actor=leader, now=timezone.now())


@pytest.mark.parametrize(
    "do",
    [
        lambda actor, now: memberships.leave(slug="network", actor=actor, now=now),
        lambda actor, now: memberships.remove(slug="network", username=actor.username, actor=actor, now=now),
        lambda actor, now: memberships.change_role(
            slug="network", username=actor.username, role="member", actor=actor, now=now
        ),
    ],
    ids=["leave", "remove", "become a member"],
)
def test_the_last_leader_cannot_vanish(
    do: Callable[[User, Any], object], leader: User, project: Project
) -> None:
    other = make_user("ended")
    Membership.objects.create(
        project=project, user=other, role="leader", expires_at=timezone.now() - timedelta(hours=1)
    )
    with pytest.raises(LastLeader):
        do(leader, timezone.now())
    Membership.objects.filter(user=other).update(expires_at=None)
    do(leader, timezone.now())
    assert role_of(leader, project) != "leader"


def test_leadership_is_handed_over_and_written_down(leader: User, project: Project) -> None:
    ada = make_user("ada", projects=[project])
    memberships.hand_over(slug="network", username="ada", actor=leader, now=timezone.now())
    assert (role_of(ada, project), role_of(leader, project)) == ("leader", "member")
    assert {(e.user, e.what, e.actor) for e in project.events.all()} == {
        (ada, What.BECAME_LEADER, leader),
        (leader, What.BECAME_MEMBER, leader),
    }
    with pytest.raises(NotYours):
        memberships.hand_over(slug="network", username="ada", actor=leader, now=timezone.now())


def test_asking_to_join_says_the_same_whether_the_project_is_there_or_not(project: Project) -> None:
    script = script_of(make_user("ada"))
    answers = [script.post("/api/v1/join-requests/", {"project": slug}) for slug in ("network", "no-such")]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b""), (202, b"")]
    assert JoinRequest.objects.get().user.username == "ada"


def test_leaders_decide_who_asked(leader: User, project: Project) -> None:
    now, ada, bob = timezone.now(), make_user("ada"), make_user("bob")
    for person in (ada, bob):
        join_requests.ask_to_join(slug="network", words="Hello", actor=person, now=now)
        join_requests.ask_to_join(slug="network", words="Hello again", actor=person, now=now)
    assert JoinRequest.objects.count() == 2
    with pytest.raises(NotThere):
        join_requests.approve_request(request_id=ada.join_requests.get().pk, actor=ada, now=now)
    join_requests.approve_request(request_id=ada.join_requests.get().pk, actor=leader, now=now)
    join_requests.decline_request(request_id=bob.join_requests.get().pk, actor=leader, now=now)
    assert (role_of(ada, project), role_of(bob, project)) == ("member", None)
    assert told(ada) == ["You are in Network group now"]
    assert told(bob) == ["You were not let into Network group"]
    with pytest.raises(InvitationOver):
        join_requests.decline_request(request_id=ada.join_requests.get().pk, actor=leader, now=now)


def test_a_membership_that_ended_opens_nothing(project: Project) -> None:
    ada = make_user("ada", projects=[project])
    lease = book_lease(project=project)
    assert visible_reservations(ada).filter(pk=lease.reservation_id).exists()
    assert project_to_charge(ada, "network") == project
    ada.memberships.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert not visible_reservations(ada).exists()
    assert codes(script_of(ada).get(f"/api/v1/reservations/{lease.reservation_id}/")) == (404, "not_found")
    with pytest.raises(Exception, match="not a member"):
        project_to_charge(ada, "network")


def test_the_page_mails_the_link_and_shows_it_once(leader: User, project: Project) -> None:
    client = Client()
    client.force_login(leader)
    page = client.post("/projects/network/invite/", {"whom": "x@uni-b.example", "role": "member"})
    link = page.context["new_link"]
    assert link in page.content.decode()
    assert page["Cache-Control"] == "no-store"
    assert [letter.to for letter in mail.outbox] == [["x@uni-b.example"]]
    assert link in mail.outbox[0].body
    assert link not in client.get("/projects/network/").content.decode()
    # What stands behind the # is never sent to a server, so it is in no log.
    assert link.startswith("http://testserver/invitation/#")


def test_projects_are_asked_of_the_database_a_fixed_number_of_times(
    leader: User, project: Project, django_assert_max_num_queries: Any
) -> None:
    client = Client()
    client.force_login(leader)
    for _ in range(12):
        person = make_user(projects=[project])
        join_requests.ask_to_join(slug="network", actor=make_user(), now=timezone.now())
        invitations.invite(slug="network", username=make_user().username, actor=leader, now=timezone.now())
        assert person
    with django_assert_max_num_queries(16):
        assert client.get("/projects/network/").status_code == 200
    with django_assert_max_num_queries(12):
        assert client.get("/projects/").status_code == 200
