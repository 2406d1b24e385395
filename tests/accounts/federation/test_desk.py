"""Identity providers at the desk."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from accounts.models import IdentityProvider
from tests.accounts.federation.conftest import sign_in
from tests.factories import make_superuser, make_user
from tests.identity.oidc import OidcProvider
from tests.identity.saml import SamlPen

ADD = "admin:accounts_identityprovider_add"


@pytest.fixture
def desk(db: None) -> Client:
    """The desk of a federation manager."""
    client = Client()
    client.force_login(make_superuser())
    return client


def form(**changes: Any) -> dict[str, Any]:
    filled: dict[str, Any] = {
        "name": "University A",
        "slug": "uni-a",
        "protocol": "openid_connect",
        "issuer": "https://login.uni-a.example",
        "is_enabled": "on",
        "client_id": "shary",
        "secret": "between-us",
        "memberships_last_days": "30",
    }
    for prefix in ("home_scopes", "rules"):
        filled |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    return {name: value for name, value in (filled | changes).items() if value is not None}


def problems(answer: Any) -> str:
    """Return what the form says is wrong."""
    assert answer.status_code == 200
    return str(answer.context["adminform"].form.errors.as_text())


def test_a_provider_is_joined_and_its_secret_never_shown(desk: Client):
    assert desk.post(reverse(ADD), form()).status_code == 302
    record = IdentityProvider.objects.get()
    assert record.client_secret == "between-us"
    page = reverse("admin:accounts_identityprovider_change", args=[record.pk])
    shown = desk.get(page).content.decode()
    assert "between-us" not in shown
    assert "/accounts/oidc/uni-a/login/callback/" in shown
    assert desk.post(page, form(secret=None, name="Renamed")).status_code == 302
    record.refresh_from_db()
    assert (record.name, record.client_secret) == ("Renamed", "between-us")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"issuer": "http://login.uni-a.example"}, "https://"),
        ({"issuer": "login.uni-a.example"}, "must be an address"),
        ({"client_id": ""}, "client ID"),
        ({"secret": ""}, "secret"),
        ({"slug": "manual"}, "meaning of its own"),
        ({"protocol": "saml"}, "needs metadata"),
        ({"protocol": "saml", "metadata": "<html/>"}, "no SAML metadata"),
        ({"protocol": "saml", "metadata": SamlPen().metadata()}, "0 entities"),
        ({"protocol": "saml", "metadata_url": "http://mdq.example/x"}, "https://"),
    ],
)
def test_what_could_not_work_is_refused_while_somebody_can_mend_it(
    desk: Client, changes: dict[str, Any], says: str
):
    assert says in problems(desk.post(reverse(ADD), form(**changes)))
    assert not IdentityProvider.objects.exists()


def test_two_providers_cannot_know_us_by_one_client_id(desk: Client):
    desk.post(reverse(ADD), form())
    other = form(slug="uni-b", issuer="https://login.uni-b.example")
    assert "client ID already" in problems(desk.post(reverse(ADD), other))
    other["client_id"] = "shary-b"
    assert desk.post(reverse(ADD), other).status_code == 302


def test_plain_http_is_for_the_machine_itself_in_development(desk: Client, settings: LazySettings):
    here = form(issuer="http://127.0.0.1:9")
    assert desk.post(reverse(ADD), here).status_code == 302
    IdentityProvider.objects.all().delete()
    settings.SHARY_LOOPBACK_ISSUERS = False
    assert "https://" in problems(desk.post(reverse(ADD), here))


def test_saml_metadata_is_read_when_it_is_saved(desk: Client):
    pen = SamlPen()
    filled = form(protocol="saml", issuer=pen.entity_id, client_id="", secret="", metadata=pen.metadata())
    assert desk.post(reverse(ADD), filled).status_code == 302
    assert "EntityDescriptor" in IdentityProvider.objects.get().metadata


def test_what_an_identity_is_made_of_stays_once_somebody_has_one(
    desk: Client, uni_a: OidcProvider, at_a: IdentityProvider
):
    sign_in(uni_a, at_a)
    page = reverse("admin:accounts_identityprovider_change", args=[at_a.pk])
    kept = {"name": at_a.name, "slug": at_a.slug, "issuer": at_a.issuer, "client_id": at_a.client_id}
    scope = at_a.home_scopes.get()
    inline = {
        "home_scopes-TOTAL_FORMS": 1,
        "home_scopes-INITIAL_FORMS": 1,
        "home_scopes-0-id": scope.pk,
        "home_scopes-0-provider": at_a.pk,
        "home_scopes-0-scope": scope.scope,
        "home_scopes-0-organisation": scope.organisation_id,
    }
    for name, value in (("issuer", "https://other.example"), ("slug", "other")):
        said = problems(desk.post(page, form(**kept | inline | {name: value})))
        assert "part of who they are" in said
    assert desk.post(page, form(**kept | inline | {"name": "Renamed"})).status_code == 302
    assert desk.post(reverse("admin:accounts_identityprovider_delete", args=[at_a.pk])).status_code == 403


def test_providers_are_for_managers_alone(at_a: IdentityProvider):
    client = Client()
    client.force_login(make_user())
    for page in (
        reverse("admin:accounts_identityprovider_changelist"),
        reverse("admin:accounts_identityprovider_preview", args=[at_a.pk]),
    ):
        assert client.get(page).status_code in {302, 403}
    assert Client().get(page).status_code == 302


def test_many_are_switched_off_at_once(desk: Client, at_a: IdentityProvider, at_b: IdentityProvider):
    chosen = {"action": "switch_off", "_selected_action": [at_a.pk, at_b.pk]}
    desk.post(reverse("admin:accounts_identityprovider_changelist"), chosen)
    assert not IdentityProvider.objects.filter(is_enabled=True).exists()


def test_the_librarys_own_table_of_secrets_is_not_at_the_desk(desk: Client):
    assert desk.get("/admin/socialaccount/socialapp/").status_code == 404
