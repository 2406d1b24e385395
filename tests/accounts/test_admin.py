"""The desk of federation managers for people, their keys and tokens."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, PersonalToken, SshKey, User
from accounts.tokens import issue_token
from reservations.models import OutgoingOrder
from reservations.states import Status
from tests.factories import (
    bearer,
    book_lease,
    make_organisation,
    make_project,
    make_ssh_key,
    make_superuser,
    make_user,
)


@pytest.fixture
def desk(db: None) -> Client:
    client = Client()
    client.force_login(make_superuser())
    return client


def person_form(user: User, **fields: object) -> dict[str, object]:
    """Return a person's form with nothing in it changed."""
    form: dict[str, object] = {
        "username": user.username,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "home_organisation": "",
        "time_zone": "",
        "is_active": "on",
    }
    for prefix in ("emailaddress_set", "memberships", "ssh_keys", "tokens"):
        form |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    return form | fields


def page_of(user: User) -> str:
    return reverse("admin:accounts_user_change", args=[user.pk])


def test_a_token_is_listed_by_name_and_nothing_of_it_is_shown(desk: Client):
    user = make_user()
    token, text = issue_token(user=user, name="nightly script")
    shown = desk.get(page_of(user)).content.decode()
    assert "nightly script" in shown
    assert text not in shown
    assert token.digest not in shown


def test_a_token_can_be_revoked_and_not_changed(desk: Client):
    user = make_user()
    token, _ = issue_token(user=user, name="nightly script")
    inline = {
        "tokens-TOTAL_FORMS": 1,
        "tokens-INITIAL_FORMS": 1,
        "tokens-0-id": token.pk,
        "tokens-0-user": user.pk,
        "tokens-0-digest": "0" * 64,
    }
    assert desk.post(page_of(user), person_form(user, **inline)).status_code == 302
    assert PersonalToken.objects.get().digest == token.digest
    desk.post(page_of(user), person_form(user, **inline, **{"tokens-0-DELETE": "on"}))
    assert not PersonalToken.objects.exists()


def test_making_somebody_inactive_stops_their_scripts(desk: Client):
    user = make_user()
    headers = bearer(user)
    assert Client(headers=headers).get("/api/v1/me/").status_code == 200
    form = person_form(user)
    del form["is_active"]
    assert desk.post(page_of(user), form).status_code == 302
    assert Client(headers=headers).get("/api/v1/me/").status_code == 401


def test_a_key_is_found_by_its_fingerprint_and_can_be_taken_away(desk: Client):
    key = make_ssh_key(make_user("owner"))
    make_ssh_key(make_user())
    listed = desk.get("/admin/accounts/sshkey/", {"q": key.fingerprint}).context["cl"].result_list
    assert [row.user.username for row in listed] == ["owner"]
    assert desk.get("/admin/accounts/sshkey/add/").status_code == 403
    desk.post(f"/admin/accounts/sshkey/{key.pk}/delete/", {"post": "yes"})
    assert not SshKey.objects.filter(pk=key.pk).exists()


def remove_on_its_page(desk: Client, key: SshKey) -> None:
    desk.post(f"/admin/accounts/sshkey/{key.pk}/delete/", {"post": "yes"})


def remove_by_action(desk: Client, key: SshKey) -> None:
    chosen = {"action": "delete_selected", "_selected_action": [key.pk], "post": "yes"}
    desk.post("/admin/accounts/sshkey/", chosen)


def remove_on_its_owners_page(desk: Client, key: SshKey) -> None:
    inline = {
        "ssh_keys-TOTAL_FORMS": 1,
        "ssh_keys-INITIAL_FORMS": 1,
        "ssh_keys-0-id": key.pk,
        "ssh_keys-0-user": key.user.pk,
        "ssh_keys-0-DELETE": "on",
    }
    assert desk.post(page_of(key.user), person_form(key.user, **inline)).status_code == 302


@pytest.mark.parametrize("remove", [remove_on_its_page, remove_by_action, remove_on_its_owners_page])
def test_a_key_that_is_taken_away_leaves_the_devices_too(
    desk: Client, remove: Callable[[Client, SshKey], None]
):
    user = make_user()
    key = make_ssh_key(user)
    lease = book_lease(holder=user, status=Status.ACTIVE)
    remove(desk, key)
    assert not SshKey.objects.exists()
    assert OutgoingOrder.objects.filter(lease=lease, verb="hold").exists()


def test_a_new_person_gets_an_account_and_a_password(desk: Client):
    secret = "a-long-passphrase-41"
    form = {"username": "newcomer", "usable_password": "true", "password1": secret, "password2": secret}
    assert desk.post("/admin/accounts/user/add/", form).status_code == 302
    assert User.objects.get(username="newcomer").check_password(secret)


def test_members_are_named_on_their_project(desk: Client):
    user, project = make_user(), make_project()
    form = {
        "slug": project.slug,
        "name": project.name,
        "organisation": make_organisation("uni-a").pk,
        "memberships-TOTAL_FORMS": 1,
        "memberships-INITIAL_FORMS": 0,
        "memberships-0-user": user.pk,
        "memberships-0-role": "leader",
    }
    page = reverse("admin:accounts_project_change", args=[project.pk])
    assert desk.post(page, form).status_code == 302
    assert Membership.objects.get(project=project).role == Membership.Role.LEADER
