"""The demonstration's home institution."""

import base64
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from django.test import Client
from django.utils import timezone

from accounts.models import IdentityProvider, Membership, Organisation, Project, User
from shary_portal.quickstart.demonstration import join_home
from shary_portal.quickstart.federation import HOME
from shary_portal.quickstart.sign_on import DemonstrationHome

VERIFIER = "a-verifier-of-more-than-forty-three-characters-for-pkce"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemonstrationHome]:
    """The service, running for a portal on port 8123."""
    home = DemonstrationHome(tmp_path_factory.mktemp("home") / "below", portal_port=8123)
    home.lay_out()
    with Popen(home.part().command, cwd=Path(__file__).resolve().parents[2]) as process:
        deadline = time.monotonic() + 60
        while not answers(home):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield home
        process.terminate()


def answers(home: DemonstrationHome) -> bool:
    try:
        return requests.get(f"{home.known()['issuer']}/keys", timeout=10).ok
    except requests.ConnectionError:
        return False


def ask(home: DemonstrationHome, **changes: str) -> dict[str, str]:
    asked = {
        "client_id": "shary",
        "redirect_uri": f"http://localhost:8123/accounts/oidc/{HOME.slug}/login/callback/",
        "response_type": "code",
        "state": "a-state",
        "nonce": "a-nonce",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return asked | changes


def choose(home: DemonstrationHome, subject: str = "newcomer", **changes: str) -> requests.Response:
    form = ask(home, **changes) | {"subject": subject}
    return requests.post(f"{home.known()['issuer']}/authorize", data=form, allow_redirects=False, timeout=30)


def redeem(home: DemonstrationHome, code: str, **changes: str) -> requests.Response:
    form = {
        "code": code,
        "client_id": "shary",
        "client_secret": home.known()["client_secret"],
        "redirect_uri": ask(home)["redirect_uri"],
        "code_verifier": VERIFIER,
    }
    return requests.post(f"{home.known()['issuer']}/token", data=form | changes, timeout=30)


def code_from(answer: requests.Response) -> str:
    assert answer.status_code == 303
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))["code"]


def test_a_code_is_good_once(home: DemonstrationHome):
    code = code_from(choose(home))
    tokens = redeem(home, code).json()
    said = requests.get(
        f"{home.known()['issuer']}/userinfo",
        headers={"Authorization": f"Bearer {tokens['access_token']}"},
        timeout=30,
    ).json()
    assert said["sub"] == "newcomer"
    assert redeem(home, code).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [{"client_secret": "guessed"}, {"code_verifier": "guessed"}, {"client_id": "other"}, {"redirect_uri": "x"}],
)
def test_a_code_is_good_for_the_portal_alone(home: DemonstrationHome, changes: dict[str, str]):
    assert redeem(home, code_from(choose(home)), **changes).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "http://evil.example/"},
        {"client_id": "other"},
        {"code_challenge": ""},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"subject": "director"},
    ],
)
def test_who_asks_wrongly_gets_nothing(home: DemonstrationHome, changes: dict[str, str]):
    answer = choose(home, **changes)
    assert answer.status_code == 404
    assert "Location" not in answer.headers


def test_a_newcomer_gets_an_account_and_a_place_in_a_project(home: DemonstrationHome, db: None):
    organisation = Organisation.objects.create(slug=HOME.organisation, name=HOME.name)
    for _group, slug in HOME.rules:
        Project.objects.create(slug=slug, name=slug, organisation=organisation)
    join_home(home.known())
    client = Client(headers={"host": "127.0.0.1:8123"})
    begun = client.post(f"/accounts/oidc/{HOME.slug}/login/")
    address = begun.context["address"]
    assert "Newcomer A" in requests.get(address, timeout=30).text
    asked = dict(parse_qsl(urlsplit(address).query))
    chosen = requests.post(
        f"{home.known()['issuer']}/authorize",
        data=asked | {"subject": "newcomer"},
        allow_redirects=False,
        timeout=30,
    )
    answer = client.get(chosen.headers["Location"].removeprefix("http://127.0.0.1:8123"))
    assert answer.status_code == 302, answer.content.decode()
    user = User.objects.get()
    assert (str(user), user.home_organisation) == ("Newcomer A", organisation)
    assert Membership.objects.get().project.slug == HOME.rules[0][1]


def test_a_second_start_keeps_the_institution_and_tells_where_it_answers_now(db: None):
    Organisation.objects.create(slug=HOME.organisation, name=HOME.name)
    known = {"issuer": "http://127.0.0.1:1", "client_id": "shary", "client_secret": "first"}
    join_home(known)
    IdentityProvider.objects.update(name="Renamed by an operator")
    join_home(known | {"issuer": "http://127.0.0.1:2", "client_secret": "second"})
    record = IdentityProvider.objects.get()
    assert (record.name, record.issuer, record.client_secret) == (
        "Renamed by an operator",
        "http://127.0.0.1:2",
        "second",
    )
    assert record.created_at <= timezone.now()
