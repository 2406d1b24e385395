"""Providers, honest and hostile, and somebody in front of a browser."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import HomeScope, IdentityProvider, Membership, User
from tests.factories import make_organisation
from tests.identity.oidc import OidcProvider, oidc_provider


@pytest.fixture(scope="session")
def _providers() -> Iterator[tuple[OidcProvider, OidcProvider]]:
    with oidc_provider("uni-a") as a, oidc_provider("uni-b") as b:
        yield a, b


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def uni_a(_providers: tuple[OidcProvider, OidcProvider]) -> OidcProvider:
    """University A’s provider, honest so far."""
    _providers[0].reset()
    return _providers[0]


@pytest.fixture
def uni_b(_providers: tuple[OidcProvider, OidcProvider]) -> OidcProvider:
    """University B’s provider, honest so far."""
    _providers[1].reset()
    return _providers[1]


def register(provider: OidcProvider, **fields: Any) -> IdentityProvider:
    """Let a provider in, as a federation manager would."""
    organisation = make_organisation(provider.name)
    scope = f"{provider.name}.example"
    fields.setdefault("entitlement_namespaces", f"urn:geant:{scope}")
    record = IdentityProvider.objects.create(
        slug=provider.name,
        name=organisation.name,
        protocol=IdentityProvider.Protocol.OIDC,
        issuer=provider.issuer,
        client_id=provider.client_id,
        client_secret="between-us",
        organisation=organisation,
        **fields,
    )
    HomeScope.objects.create(provider=record, scope=scope, organisation=organisation)
    return record


@pytest.fixture
def at_a(db: None, uni_a: OidcProvider) -> IdentityProvider:
    """Our record of University A’s provider."""
    return register(uni_a)


@pytest.fixture
def at_b(db: None, uni_b: OidcProvider) -> IdentityProvider:
    """Our record of University B’s provider."""
    return register(uni_b)


@dataclass(frozen=True)
class Begun:
    """A sign-in that was begun: what the browser carries to the provider."""

    client: Client
    record: IdentityProvider
    asked: dict[str, str]

    @property
    def nonce(self) -> str:
        return self.asked["nonce"]

    def come_back(self, record: IdentityProvider | None = None, **changes: str | None) -> Any:
        """Return from the provider with a code, and with whatever else."""
        query = {"state": self.asked["state"], "code": "a-code"} | changes
        address = reverse("openid_connect_callback", args=[(record or self.record).slug])
        return self.client.get(address, {name: value for name, value in query.items() if value is not None})


def begin(record: IdentityProvider, client: Client | None = None, *, onward: str = "") -> Begun:
    """Press the button of a provider on the sign-in page."""
    client = client or Client()
    form = {"next": onward} if onward else {}
    answer = client.post(reverse("openid_connect_login", args=[record.slug]), form)
    assert answer.status_code == 200, answer.content.decode()
    return Begun(client, record, dict(parse_qsl(urlsplit(answer.context["address"]).query)))


def sign_in(
    provider: OidcProvider, record: IdentityProvider, client: Client | None = None, **person: Any
) -> tuple[Client, Any]:
    """Sign in with an honest provider that says this of the person."""
    begun = begin(record, client)
    provider.person = person
    provider.id_token = provider.sign(provider.claims(begun.nonce))
    provider.userinfo = {"sub": person.get("sub", "person-1")} | person
    return begun.client, begun.come_back()


def who(client: Client) -> User | None:
    """Return who is signed in, as the portal sees it."""
    answer = client.get("/api/v1/me/")
    return User.objects.get(username=answer.json()["username"]) if answer.status_code == 200 else None


@dataclass(frozen=True)
class Census:
    """Who there was."""

    users: int
    memberships: int
    managers: int


def census() -> Census:
    """Count what a hostile provider must not change."""
    return Census(
        User.objects.count(), Membership.objects.count(), User.objects.filter(is_superuser=True).count()
    )


def assert_nobody(client: Client, before: Census) -> None:
    """No session, no account, no membership, no right came into being."""
    assert "_auth_user_id" not in client.session
    assert who(client) is None
    assert census() == before
