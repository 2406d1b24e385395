"""Signing in with a home organisation: who somebody is, and what they find."""

import pytest
from allauth.socialaccount.models import SocialAccount
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import IdentityProvider, User
from tests.accounts.federation.conftest import begin, register, sign_in, who
from tests.factories import bearer, make_user
from tests.identity.oidc import OidcProvider


def test_the_first_sign_in_makes_the_account(uni_a: OidcProvider, at_a: IdentityProvider):
    client, answer = sign_in(
        uni_a,
        at_a,
        given_name="Researcher",
        family_name="A",
        email="researcher@uni-a.example",
        email_verified=True,
        schac_home_organization="uni-a.example",
    )
    assert answer.status_code == 302
    assert answer["Location"] == "/projects/"
    user = who(client)
    assert user is not None
    assert (str(user), user.email, user.home_organisation) == (
        "Researcher A",
        "researcher@uni-a.example",
        at_a.organisation,
    )
    assert not user.has_usable_password()
    assert not user.is_staff
    assert not user.is_superuser


def test_a_subject_is_enough(uni_a: OidcProvider, at_a: IdentityProvider):
    client, _ = sign_in(uni_a, at_a)
    user = who(client)
    assert user is not None
    assert user.email == ""
    assert user.home_organisation == at_a.organisation
    assert "person-1" not in user.username


def test_a_long_subject_is_known_again(uni_a: OidcProvider, at_a: IdentityProvider):
    first, _ = sign_in(uni_a, at_a, sub="x" * 255)
    again, _ = sign_in(uni_a, at_a, sub="x" * 255)
    other, _ = sign_in(uni_a, at_a, sub="x" * 254)
    assert who(first) == who(again)
    assert who(first) != who(other)


def test_the_second_sign_in_finds_the_account_and_takes_over_what_changed(
    uni_a: OidcProvider, at_a: IdentityProvider
):
    first, _ = sign_in(uni_a, at_a, name="Researcher A", email="old@uni-a.example", preferred_username="old")
    second, _ = sign_in(uni_a, at_a, name="Researcher Z", email="new@uni-a.example", preferred_username="new")
    assert who(first) == who(second)
    user = User.objects.get()
    assert (str(user), user.email) == ("Researcher Z", "new@uni-a.example")


def test_the_same_subject_and_address_at_two_providers_are_two_people(
    uni_a: OidcProvider, at_a: IdentityProvider, uni_b: OidcProvider, at_b: IdentityProvider
):
    same = {"email": "same@uni-a.example", "eduperson_principal_name": "same@uni-a.example"}
    first, _ = sign_in(uni_a, at_a, **same)
    second, _ = sign_in(uni_b, at_b, **same)
    assert who(first) != who(second)
    assert User.objects.filter(email="same@uni-a.example").count() == 1
    assert SocialAccount.objects.count() == 2


def test_the_address_of_a_local_account_links_nobody_and_tells_nothing(
    uni_a: OidcProvider, at_a: IdentityProvider
):
    local = make_user("manager", email="manager@uni-a.example", is_superuser=True)
    client, answer = sign_in(uni_a, at_a, email="Manager@uni-a.example", email_verified=True)
    user = who(client)
    assert user is not None
    assert user != local
    assert not user.is_superuser
    assert user.email == ""
    assert answer["Location"] == "/projects/"
    local.refresh_from_db()
    assert local.email == "manager@uni-a.example"


def test_an_address_that_is_not_verified_is_not_taken(uni_a: OidcProvider, at_a: IdentityProvider):
    client, _ = sign_in(uni_a, at_a, email="somebody@uni-a.example", email_verified=False)
    user = who(client)
    assert user is not None
    assert user.email == ""


def test_the_provider_is_asked_with_pkce_state_and_nonce(uni_a: OidcProvider, at_a: IdentityProvider):
    begun = begin(at_a)
    assert begun.asked["code_challenge_method"] == "S256"
    assert begun.asked["client_id"] == uni_a.client_id
    assert len(begun.asked["state"]) >= 16
    uni_a.id_token = uni_a.sign(uni_a.claims(begun.nonce))
    begun.come_back()
    assert uni_a.token_requests[0]["code_verifier"]
    assert uni_a.token_requests[0]["client_secret"] == "between-us"


def test_the_secret_lies_encrypted_in_the_database(at_a: IdentityProvider):
    with connection.cursor() as cursor:
        cursor.execute("SELECT client_secret FROM accounts_identityprovider")
        (kept,) = cursor.fetchone()
    assert "between-us" not in kept
    assert IdentityProvider.objects.get().client_secret == "between-us"


def test_a_get_signs_nobody_in_by_itself(at_a: IdentityProvider):
    answer = Client().get(reverse("openid_connect_login", args=[at_a.slug]))
    assert answer.status_code == 200
    assert at_a.name in answer.content.decode()


def test_a_provider_that_is_added_works_without_a_restart(uni_a: OidcProvider, db: None):
    address = reverse("openid_connect_login", args=["uni-a"])
    assert Client().post(address).status_code == 404
    register(uni_a)
    assert Client().post(address).status_code == 200


def test_switching_a_provider_off_ends_sessions_and_tokens_at_once(
    uni_a: OidcProvider, at_a: IdentityProvider, uni_b: OidcProvider, at_b: IdentityProvider
):
    client, _ = sign_in(uni_a, at_a)
    other, _ = sign_in(uni_b, at_b)
    user = who(client)
    assert user is not None
    script = Client(headers=bearer(user))
    assert script.get("/api/v1/me/").status_code == 200
    IdentityProvider.objects.filter(pk=at_a.pk).update(is_enabled=False)
    assert who(client) is None
    assert script.get("/api/v1/me/").status_code == 401
    assert who(other) is not None
    assert Client().post(reverse("openid_connect_login", args=[at_a.slug])).status_code == 404


def test_switching_a_person_off_ends_their_session_and_keeps_them_out(
    uni_a: OidcProvider, at_a: IdentityProvider
):
    client, _ = sign_in(uni_a, at_a)
    User.objects.update(is_active=False)
    assert who(client) is None
    again, answer = sign_in(uni_a, at_a)
    assert who(again) is None
    assert answer["Location"] == reverse("account_inactive")


def test_a_password_does_not_let_a_federated_account_in(uni_a: OidcProvider, at_a: IdentityProvider):
    sign_in(uni_a, at_a)
    user = User.objects.get()
    user.set_password("set-by-whatever-way")
    user.save()
    client = Client()
    answer = client.post("/accounts/login/", {"login": user.username, "password": "set-by-whatever-way"})
    assert "_auth_user_id" not in client.session
    assert "Sign in through it" in answer.content.decode()


@pytest.mark.parametrize(
    ("onward", "goes_to"),
    [
        ("/mine/", "/mine/"),
        ("//evil.example/", "/projects/"),
        ("/\\evil.example", "/projects/"),
        ("\\\\evil.example", "/projects/"),
        ("https:evil.example", "/projects/"),
        ("https://evil.example/", "/projects/"),
        ("https:///evil.example", "/projects/"),
        ("javascript:alert(1)", "/projects/"),
        ("/\t/evil.example", "/projects/"),
        ("/\n//evil.example", "/projects/"),
        ("http://testserver@evil.example/", "/projects/"),
        ("//evil。example/", "/projects/"),
        ("mine/", "/projects/"),
    ],
)
def test_after_signing_in_one_goes_to_pages_of_the_portal_only(
    uni_a: OidcProvider, at_a: IdentityProvider, onward: str, goes_to: str
):
    begun = begin(at_a, onward=onward)
    uni_a.id_token = uni_a.sign(uni_a.claims(begun.nonce))
    assert begun.come_back()["Location"] == goes_to
