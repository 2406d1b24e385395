"""Rights over what is others' count only with a second factor; delicate things ask again who one is."""

import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from accounts.rules import federation_roles
from accounts.second_factor import reset_second_factor
from reservations.states import Status
from tests.callers import codes, script_of
from tests.factories import book_lease, make_resource, make_site, make_superuser, make_user

pytestmark = pytest.mark.django_db
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PASSWORD = "a-long-password"


@pytest.fixture(autouse=True)
def _fresh_counters() -> None:
    cache.clear()


@pytest.fixture
def required(settings: Any) -> None:
    settings.SHARY_REQUIRE_SECOND_FACTOR = True


def code_of(secret: str = SECRET) -> str:
    return str(format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time())))))


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def by_password(user: User) -> Client:
    client = Client()
    answer = client.post("/accounts/login/", {"login": user.username, "password": PASSWORD})
    assert answer.status_code == 302, answer.content
    return client


@pytest.mark.usefixtures("required")
def test_without_one_an_operator_is_led_to_set_it_up_and_operates_nothing() -> None:
    site = make_site(by_operator=True)
    operator = make_user(operates=[site])
    lease = book_lease(make_resource(site), status=Status.REQUESTED)
    client = signed_in(operator)
    assert client.get("/admin/", follow=True).redirect_chain[-1][0] == "/account/security/?needed=1"
    assert "Your rights rest" in client.get("/account/security/").content.decode()
    approve = f"/api/v1/leases/{lease.pk}/approve/"
    assert codes(client.post(approve)) == (403, "second_factor_required")
    assert codes(script_of(operator).post(approve)) == (403, "second_factor_required")
    assert codes(client.get(f"/api/v1/reservations/{lease.reservation_id}/")) == (404, "not_found")
    assert client.get("/").status_code == 200
    TOTP.activate(operator, SECRET)
    assert client.get("/admin/").status_code == 200
    assert client.post(approve).status_code == 200
    reset_second_factor(user=operator)
    assert client.get("/admin/").status_code == 302


@pytest.mark.usefixtures("required")
def test_managers_and_auditors_are_nobody_special_without_one() -> None:
    for person in (make_superuser(), make_user(is_auditor=True)):
        assert federation_roles(User.objects.get(pk=person.pk)) == frozenset()
        TOTP.activate(person, SECRET)
        assert federation_roles(User.objects.get(pk=person.pk)) != frozenset()


def test_recovery_codes_alone_are_no_second_factor() -> None:
    user = make_user()
    Authenticator.objects.create(user=user, type=Authenticator.Type.RECOVERY_CODES, data={"seed": "x"})
    assert User.objects.get(pk=user.pk).second_factor_since is None


def test_the_secret_of_an_app_is_kept_encrypted() -> None:
    user = make_user()
    TOTP.activate(user, SECRET)
    kept = Authenticator.objects.get(user=user)
    assert SECRET not in str(kept.data)
    assert kept.wrap().validate_code(code_of())


def test_signing_in_asks_for_the_code_and_takes_it_once() -> None:
    user = make_user("ada", password=PASSWORD)
    TOTP.activate(user, SECRET)
    client = by_password(user)
    assert client.get("/account/").status_code == 302
    assert client.post("/accounts/2fa/authenticate/", {"code": "000000"}).status_code == 200
    code = code_of()
    assert client.post("/accounts/2fa/authenticate/", {"code": code}).status_code == 302
    assert client.get("/account/").status_code == 200
    again = by_password(user)
    again.post("/accounts/2fa/authenticate/", {"code": code})
    assert again.get("/account/").status_code == 302


def test_a_session_left_open_adds_no_key_until_it_is_confirmed(settings: Any) -> None:
    settings.SHARY_CONFIRM_EVERY_S = 3600
    user = make_user("ada", password=PASSWORD)
    client = by_password(user)
    assert client.post("/api/v1/tokens/", {"name": "x"}).status_code == 201
    session = client.session
    for record in session["account_authentication_methods"]:
        record["at"] = time.time() - 3601
    session.save()
    answer = client.post("/api/v1/tokens/", {"name": "y"})
    assert codes(answer) == (403, "confirm_it_is_you")
    assert "/accounts/reauthenticate/" in answer.json()["detail"]
    assert "/accounts/reauthenticate/" in client.get("/account/keys/").content.decode()
    assert client.get("/api/v1/tokens/").status_code == 200
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302
    assert client.post("/api/v1/tokens/", {"name": "y"}).status_code == 201


def test_the_admin_asks_again_and_leads_back(settings: Any) -> None:
    settings.SHARY_CONFIRM_EVERY_S = 3600
    manager = make_superuser()
    manager.set_password(PASSWORD)
    manager.save()
    answer = signed_in(manager).get("/admin/resources/site/")
    assert (answer.status_code, answer["Location"]) == (
        302,
        "/accounts/reauthenticate/?next=%2Fadmin%2Fresources%2Fsite%2F",
    )
    assert by_password(manager).get("/admin/resources/site/").status_code == 200


def test_one_signs_out_elsewhere_and_stays_here() -> None:
    user = make_user(password=PASSWORD)
    here, there, third = by_password(user), by_password(user), by_password(user)
    stranger = signed_in(make_user())
    session = user.sessions.get(session_key=there.session.session_key)
    stranger.post("/account/sessions/end/", {"session": session.pk})
    assert there.get("/account/").status_code == 200
    here.post("/account/sessions/end/", {"session": session.pk})
    assert [each.get("/account/").status_code for each in (here, there, third)] == [200, 302, 200]
    here.post("/account/sessions/end/", {"session": "all"})
    assert [each.get("/account/").status_code for each in (here, there, third)] == [200, 302, 302]
    assert user.sessions.count() == 1


def test_many_wrong_passwords_close_the_door_for_a_while() -> None:
    make_user("ada", password=PASSWORD)
    client = Client()
    answers = [client.post("/accounts/login/", {"login": "ada", "password": f"wrong-{n}"}) for n in range(6)]
    assert {answer.status_code for answer in answers} <= {200, 429}
    right = client.post("/accounts/login/", {"login": "ada", "password": PASSWORD})
    assert right.status_code in (200, 429)
    assert client.get("/account/").status_code == 302


def test_an_account_says_how_one_reads() -> None:
    user = make_user("ada")
    client = signed_in(user)
    answer = client.post(
        "/account/", {"first_name": "Ada", "last_name": "B", "language": "it", "time_zone": "Europe/Rome"}
    )
    assert answer.cookies["shary_language"].value == "it"
    user = User.objects.get(pk=user.pk)
    assert (str(user), user.language, user.time_zone) == ("Ada B", "it", "Europe/Rome")
    assert client.post("/account/", {"time_zone": "Mars/Olympus"}).status_code == 200
    assert User.objects.get(pk=user.pk).time_zone == "Europe/Rome"
