"""Signing in with a home institution, in a real browser, at real providers in processes of their own."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from accounts.models import HomeScope, IdentityProvider, MappingRule, Membership, Project, User
from tests.browser.conftest import Portal
from tests.browser.test_accessibility import assert_accessible
from tests.factories import make_organisation, make_project
from tests.identity import allauth_provider
from tests.identity.processes import running_provider
from tests.lacking import give_up

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def oidc(_server: Portal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """allauth’s provider, which knows the portal."""
    callback = f"{_server.url}/accounts/oidc/uni-a/login/callback/"
    with running_provider("allauth_provider", tmp_path_factory.mktemp("oidc"), callback) as provider:
        yield provider


@pytest.fixture(scope="module")
def saml(_server: Portal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """pysaml2’s provider, which knows the portal by its metadata."""
    if not shutil.which("xmlsec1"):
        give_up("No xmlsec1 was found; install it (`apt-get install xmlsec1`) to run the SAML provider.")
    folder = tmp_path_factory.mktemp("saml")
    ours = folder / "portal.xml"
    ours.write_text(requests.get(f"{_server.url}/accounts/saml/metadata/", timeout=60).text)
    with running_provider("pysaml2_provider", folder, str(ours)) as provider:
        yield provider


def join(slug: str, **fields: Any) -> IdentityProvider:
    """Let a provider in, with a rule for its group “network”."""
    organisation = make_organisation(slug)
    record = IdentityProvider.objects.create(
        slug=slug,
        name=organisation.name,
        organisation=organisation,
        entitlement_namespaces=f"urn:geant:{slug}.example",
        **fields,
    )
    HomeScope.objects.create(provider=record, scope=f"{slug}.example", organisation=organisation)
    project = Project.objects.filter(slug="network-lab").first() or make_project("network-lab")
    MappingRule.objects.create(provider=record, value="network", project=project)
    return record


@pytest.fixture
def uni_a(transactional_db: None, oidc: dict[str, Any]) -> IdentityProvider:
    """Our record of University A, by OpenID Connect."""
    return join(
        "uni-a",
        protocol=IdentityProvider.Protocol.OIDC,
        issuer=oidc["issuer"],
        client_id=allauth_provider.CLIENT,
        client_secret=allauth_provider.SECRET,
    )


@pytest.fixture
def uni_c(transactional_db: None, saml: dict[str, Any]) -> IdentityProvider:
    """Our record of University C, by SAML."""
    return join(
        "uni-c",
        protocol=IdentityProvider.Protocol.SAML,
        issuer=saml["issuer"],
        metadata=saml["metadata"],
    )


def assert_signed_in(page: Page, portal: Portal, *, name: str, record: IdentityProvider) -> None:
    expect(page).to_have_url(f"{portal.url}/mine/", timeout=60_000)
    user = User.objects.get()
    assert (str(user), user.home_organisation) == (name, record.organisation)
    membership = Membership.objects.get()
    assert (membership.project.slug, membership.user, membership.source) == ("network-lab", user, record.slug)


def test_one_signs_in_at_a_real_openid_connect_provider(
    page: Page, portal: Portal, uni_a: IdentityProvider
) -> None:
    page.set_default_timeout(60_000)
    page.goto(f"{portal.url}/mine/")
    page.get_by_role("button", name="Uni A").click()
    page.locator("[name=login]").fill(allauth_provider.PERSON)
    page.locator("[name=password]").fill(allauth_provider.PASSWORD)
    page.locator("form button").first.click()
    assert_signed_in(page, portal, name="Researcher A", record=uni_a)
    # A second time, from the sign-in page: it remembers, and the provider, too.
    page.get_by_label("Account", exact=True).click()
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{portal.url}/accounts/login/?next=/mine/")
    page.get_by_role("button", name="Uni A Last time").click()
    assert_signed_in(page, portal, name="Researcher A", record=uni_a)


def test_one_signs_in_at_a_real_saml_provider(page: Page, portal: Portal, uni_c: IdentityProvider) -> None:
    page.set_default_timeout(60_000)
    page.goto(f"{portal.url}/mine/")
    page.get_by_role("button", name="Uni C").click()
    page.get_by_role("button", name="Sign in here").click()
    assert_signed_in(page, portal, name="Researcher C", record=uni_c)


def many(count: int = 12) -> None:
    for number in range(count):
        organisation = make_organisation(f"home-{number}")
        IdentityProvider.objects.create(
            slug=f"home-{number}",
            name=f"Università {number}" if number == 7 else f"Institute {number}",
            protocol=IdentityProvider.Protocol.OIDC,
            issuer=f"https://login.home-{number}.example",
            client_id=f"portal-{number}",
            organisation=organisation,
        )


def test_the_institution_is_found_by_a_few_letters_and_the_keyboard(
    page: Page, portal: Portal, faults: list[str]
) -> None:
    many()
    page.goto(f"{portal.url}/accounts/login/")
    search = page.get_by_role("searchbox")
    search.fill("universita")
    shown = page.locator("#homes > li:visible")
    expect(shown).to_have_count(1)
    expect(page.get_by_text("1 institution", exact=True)).to_be_attached()
    search.press("ArrowDown")
    expect(page.get_by_role("button", name="Università 7")).to_be_focused()
    search.fill("nowhere")
    expect(shown).to_have_count(0)
    expect(page.get_by_text("No institution is called that")).to_be_visible()
    assert_accessible(page)


def test_the_page_remembers_and_still_lists_the_others(page: Page, portal: Portal, faults: list[str]) -> None:
    many(3)
    page.goto(f"{portal.url}/accounts/login/")
    page.evaluate("localStorage.setItem('shary.home', 'home-2')")
    page.reload()
    expect(page.locator("#homes > li").first).to_have_text(re.compile("Institute 2.*Last time", re.DOTALL))
    expect(page.locator("#homes > li")).to_have_count(3)
    assert_accessible(page)


def test_the_sign_in_page_fits_a_phone(page: Page, portal: Portal, faults: list[str]) -> None:
    many()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{portal.url}/accounts/login/")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    heights = page.evaluate("[...document.querySelectorAll('#homes button')].map((node) => node.offsetHeight)")
    assert min(heights) >= 44


def test_a_refusal_says_why_and_leads_back(page: Page, portal: Portal) -> None:
    many(1)
    page.goto(f"{portal.url}/accounts/oidc/home-0/login/callback/?state=of-somebody-else&code=x")
    expect(page.get_by_role("alert")).to_contain_text("Begin anew")
    assert_accessible(page)
    page.get_by_role("link", name="To sign-in").click()
    expect(page.get_by_role("heading", name="Where are you from?")).to_be_visible()


def test_a_wrong_password_tells_not_whether_there_is_such_an_account(
    page: Page, portal: Portal, db: None
) -> None:
    said = []
    User.objects.create_user("somebody", password="right-and-long")
    for login in ("somebody", "nobody"):
        page.goto(f"{portal.url}/accounts/login/")
        page.locator("[name=login]").fill(login)
        page.locator("[name=password]").fill("wrong-and-long")
        page.get_by_role("button", name="Sign in", exact=True).click()
        said.append(page.get_by_role("alert").first.inner_text())
    assert said[0] == said[1]


def test_the_preview_at_the_desk_shows_what_a_group_gives(
    page: Page, portal: Portal, sign_in: Any, tmp_path: Path
) -> None:
    many(1)
    record = IdentityProvider.objects.get()
    record.entitlement_namespaces = "urn:geant:uni-a.example"
    record.save()
    MappingRule.objects.create(provider=record, value="network", project=make_project("network-lab"))
    sign_in(User.objects.create_superuser("manager", password="a-long-password"))
    page.set_default_timeout(60_000)
    page.goto(f"{portal.url}/admin/accounts/identityprovider/{record.pk}/preview/")
    page.get_by_label("Attributes").fill(
        '{"eduperson_entitlement": ["urn:geant:uni-a.example:group:network", "urn:other:x:group:network"]}'
    )
    page.get_by_role("button", name="Show what it gives").click()
    expect(page.get_by_role("row", name="Network Lab – Member")).to_be_visible()
    expect(page.get_by_text("the namespace is not one of this provider’s")).to_be_visible()
    assert not Membership.objects.exists()
