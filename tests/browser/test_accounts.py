"""Projects and signing in, in a real browser: invitations, apps for codes, passkeys."""

import re

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from playwright.sync_api import Browser, Page, expect

from accounts.models import Membership, User
from tests.browser.conftest import Portal, World
from tests.browser.test_accessibility import assert_accessible
from tests.factories import make_project, make_user

pytestmark = pytest.mark.browser
PASSWORD = "a-long-password"


def test_a_leader_invites_by_mail_and_whoever_has_the_link_joins(
    desk: Page, world: World, portal: Portal, browser: Browser
) -> None:
    Membership.objects.filter(user=world.user).update(role=Membership.Role.LEADER)
    desk.goto(f"{portal.url}/projects/")
    desk.get_by_role("link", name="Network group").click()
    desk.get_by_label("Username or e-mail").fill("bob@uni-b.example")
    desk.get_by_role("button", name="Invite", exact=True).click()
    link = desk.locator("[data-copy]").inner_text()
    desk.wait_for_load_state("networkidle")
    assert_accessible(desk)

    make_user("bob", password=PASSWORD)
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(20_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(link)
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    page.get_by_label("Username or email").fill("bob")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Network group")).to_be_visible()
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Welcome to Network group.")).to_be_visible()
    secret = link.partition("#")[2]
    assert secret
    assert not [url for url in asked if secret in url.partition("#")[0]]
    context.close()
    assert Membership.objects.filter(user__username="bob", project=world.project).exists()


def test_an_app_for_codes_is_set_up_and_asked_for(page: Page, world: World, portal: Portal) -> None:
    page.set_default_timeout(20_000)
    sign_in_by_password(page, portal.url)
    page.goto(f"{portal.url}/account/security/")
    page.get_by_role("link", name="Set up an app").click()
    confirm_if_asked(page)
    secret = page.locator('[data-part="secret"]').inner_text()
    assert_accessible(page)
    page.get_by_label("Code").fill(code_of(secret))
    page.get_by_role("button", name="Turn it on").click()
    expect(page.locator(".code-list li").first).to_be_visible()
    recovery = page.locator(".code-list li").first.inner_text()
    assert_accessible(page)
    assert User.objects.get(username="ada").second_factor_since is not None

    page.context.clear_cookies()
    sign_in_by_password(page, portal.url)
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("Code").fill(recovery)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.goto(f"{portal.url}/account/security/")
    expect(page.get_by_role("link", name="Remove the app")).to_be_visible()


def test_a_passkey_is_added_and_stands_in_for_the_password_and_the_code(
    page: Page, world: World, portal: Portal
) -> None:
    # A passkey belongs to a name, which 127.0.0.1 is not.
    url = portal.url.replace("127.0.0.1", "localhost")
    page.set_default_timeout(20_000)
    keys = page.context.new_cdp_session(page)
    keys.send("WebAuthn.enable")
    keys.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    sign_in_by_password(page, url)
    page.goto(f"{url}/account/security/")
    page.get_by_role("link", name="Add a passkey").click()
    confirm_if_asked(page)
    assert_accessible(page)
    page.get_by_role("textbox", name="Name").fill("Laptop")
    page.get_by_role("button", name="Add the passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    page.goto(f"{url}/account/security/")
    expect(page.get_by_role("link", name=re.compile("Rename ?: Laptop"))).to_be_visible()
    assert User.objects.get(username="ada").second_factor_since is not None

    page.context.clear_cookies()
    sign_in_by_password(page, url)
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(re.compile(r"^http://localhost:\d+/(\?.*)?$"))

    page.context.clear_cookies()
    page.goto(f"{url}/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(re.compile(r"^http://localhost:\d+/(\?.*)?$"))
    page.goto(f"{url}/account/")
    expect(page.get_by_role("heading", name="My account")).to_be_visible()


@pytest.mark.parametrize(
    "path", ["/projects/", "/projects/network/", "/account/", "/account/security/", "/invitation/"]
)
def test_the_page_is_for_everybody_and_for_a_phone(desk: Page, world: World, portal: Portal, path: str) -> None:
    Membership.objects.filter(user=world.user).update(role=Membership.Role.LEADER)
    make_project("other", leaders=[make_user()])
    Membership.objects.create(project=world.project, user=make_user("bob", first_name="Bob", last_name="B."))
    desk.goto(f"{portal.url}{path}")
    assert_accessible(desk)
    desk.set_viewport_size({"width": 390, "height": 844})
    desk.reload()
    assert desk.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_signing_out_elsewhere_ends_the_other_browser(
    desk: Page, world: World, portal: Portal, browser: Browser
) -> None:
    other = browser.new_context()
    page = other.new_page()
    sign_in_by_password(page, portal.url)
    desk.context.clear_cookies()
    sign_in_by_password(desk, portal.url)
    desk.goto(f"{portal.url}/account/security/")
    desk.get_by_role("button", name="Sign out everywhere else").click()
    expect(desk.get_by_text("Signed out of")).to_be_visible()
    page.goto(f"{portal.url}/account/")
    expect(page).to_have_url(re.compile("/accounts/login/"))
    other.close()


def sign_in_by_password(page: Page, url: str) -> None:
    page.goto(f"{url}/accounts/login/")
    page.get_by_label("Username or email").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).not_to_have_url(re.compile("/accounts/login/"))


def confirm_if_asked(page: Page) -> None:
    """Type the password once more where the portal asks for it."""
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text(re.compile("Confirm it is you|Set up an app|Add a passkey"))
    if heading.inner_text() == "Confirm it is you":
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Go on").click()
        expect(heading).not_to_have_text("Confirm it is you")


def code_of(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time())))))
