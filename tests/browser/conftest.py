"""A real browser on a real server: who signs in, what there is to book, and what must never happen."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from time import monotonic
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

import pytest
import requests
from django.db import connection
from django.test import Client
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    Request,
    expect,
    sync_playwright,
)

from accounts.models import Project, User
from resources.models import Resource, Site
from tests.factories import make_project, make_resource, make_site, make_user
from tests.lacking import give_up
from tests.quiet_network import quiet_network

# Playwright's synchronous interface keeps an event loop in this thread, and Django would refuse to
# touch the database beside it.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")

# Several browsers and daemons share two cores: what comes about in the end is not late.
expect.set_options(timeout=20_000)

ROME = ZoneInfo("Europe/Rome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(autouse=True)
def undisturbed() -> Iterator[None]:
    """Have no network card come or go meanwhile: the browser would drop what it is loading."""
    with quiet_network():
        yield


def find_chromium() -> str | None:
    """Return the path of a Chromium of this machine."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """How to start the browser; where there is none, say so, and in CI fail."""
    path = find_chromium()
    if path is None:
        give_up("No Chromium was found; install it (`apt-get install chromium`) to run the browser tests.")
    return {"executable_path": path, "args": ARGUMENTS}


# Playwright's event loop runs in this thread from its start to its stop. It stops with each file of
# tests, so that tests with event loops of their own can follow in the same process.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Playwright, for as long as a file of tests needs it."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright, browser_type_launch_args: dict[str, Any]) -> Iterator[Browser]:
    """One browser for each file of tests; every test has a context of its own."""
    browser = playwright.chromium.launch(**browser_type_launch_args)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    """A desk in Rome, whatever the zone of the machine."""
    return {
        "viewport": {"width": 1280, "height": 800},
        "timezone_id": "Europe/Rome",
        "locale": "en-GB",
        "reduced_motion": "reduce",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """The portal as it is served."""

    url: str


@pytest.fixture(scope="session")
def _server(django_db_setup: None) -> Iterator[Portal]:
    """The portal on uvicorn, as in production, in a process of its own, on the database of the tests."""
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    # A page that polls to the end holds locks while the database is emptied after its test. The request has
    # to give way, before PostgreSQL looks for a deadlock after a second and perhaps ends the emptying.
    patience = urlencode({"options": "-c lock_timeout=800ms"}, quote_via=quote)
    database = database._replace(query="&".join(filter(None, [database.query, patience])))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = [sys.executable, "-m", "uvicorn", "shary_portal.asgi:application", "--lifespan", "off"]
        command += ["--fd", str(listening.fileno()), "--log-level", "error", "--timeout-graceful-shutdown", "1"]
        process = subprocess.Popen(
            command,
            pass_fds=[listening.fileno()],
            env=os.environ
            | {"DATABASE_URL": database.geturl(), "DJANGO_SETTINGS_MODULE": "shary_portal.settings.test"},
        )
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        # The socket listens already: the first answer comes when the portal is up.
        answer = requests.get(f"{url}/healthz", timeout=60)
        assert answer.ok, answer.text
        yield Portal(url=url)
    finally:
        process.terminate()
        process.wait(timeout=15)


@pytest.fixture
def portal(_server: Portal, transactional_db: None) -> Portal:
    """The portal, with a database that is empty again after the test."""
    return _server


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Two sites with a few devices, and somebody who may book them."""

    user: User
    project: Project
    rome: Site
    athens: Site
    gpu: Resource
    spare: Resource
    whole: Resource
    part: Resource
    far: Resource


@pytest.fixture
def world(transactional_db: None) -> World:
    """Something to see and to book."""
    project = make_project("network", name="Network group")
    user = make_user("ada", projects=[project], password="a-long-password", first_name="Ada", last_name="R.")
    rome = make_site("rome", name="Roma", time_zone="Europe/Rome")
    athens = make_site("athens", name="Athens", time_zone="Europe/Athens")
    whole = make_resource(rome, name="A100 1", attributes={"model": "A100", "memory_gib": 80})
    return World(
        user=user,
        project=project,
        rome=rome,
        athens=athens,
        gpu=make_resource(rome, name="L40S 1"),
        spare=make_resource(rome, name="L40S 2"),
        whole=whole,
        part=make_resource(parent=whole, name="A100 1, slice 1", attributes={"model": "1g.10gb"}),
        far=make_resource(athens, name="L40S 3"),
    )


@pytest.fixture
def faults(context: BrowserContext, portal: Portal) -> Iterator[list[str]]:
    """What must never happen on a page: errors in the console, and requests to another host.

    A refusal of the API is an answer, not a fault, though the browser notes it in the console.
    """
    found: list[str] = []

    def note_message(message: ConsoleMessage) -> None:
        refused = message.text.startswith("Failed to load resource") and "/api/v1/" in message.location["url"]
        if message.type in {"error", "warning"} and not refused:
            found.append(f"console: {message.text} ({message.location['url']})")

    def note_request(request: Request) -> None:
        if not request.url.startswith((portal.url, "data:", "blob:")):
            found.append(f"request to another host: {request.url}")

    context.on("console", note_message)
    context.on("weberror", lambda error: found.append(f"error: {error.error}"))
    context.on("request", note_request)
    yield found
    assert not found


SignIn = Callable[[User], None]


@pytest.fixture
def sign_in(context: BrowserContext, portal: Portal) -> SignIn:
    """Sign somebody in without the form."""

    def sign_in(user: User) -> None:
        client = Client()
        client.force_login(user)
        cookie = client.cookies["sessionid"]
        context.add_cookies([{"name": "sessionid", "value": cookie.value, "url": portal.url}])

    return sign_in


@pytest.fixture
def desk(page: Page, world: World, sign_in: SignIn, faults: list[str]) -> Page:
    """A page on which the researcher of the world is signed in."""
    sign_in(world.user)
    page.set_default_timeout(15_000)
    return page


def tomorrow(hour: int, minute: int = 0) -> datetime:
    """Return a time of tomorrow in Rome."""
    day = (datetime.now(ROME) + timedelta(days=1)).date()
    return datetime.combine(day, time(hour, minute), ROME).astimezone(UTC)


def open_day(page: Page, portal: Portal, moment: datetime) -> None:
    """Open the board at the day of a moment, and wait until it is drawn."""
    day = moment.astimezone(ROME).date()
    page.goto(f"{portal.url}/?view=day&date={day}")
    page.locator(".line.device").first.wait_for()


def line_of(page: Page, resource: Resource) -> Locator:
    """Return the line of a device on the board."""
    return page.locator(f'[data-line="{resource.pk}"]')


def spot(page: Page, resource: Resource, moment: datetime) -> tuple[float, float]:
    """Return the point on the screen where a device's lane shows a moment of the day that is open."""
    # The board may be drawing the line anew at this very moment; then it has no place for an instant.
    deadline = monotonic() + 5
    while (lane := line_of(page, resource).locator(".lane").bounding_box()) is None:
        assert monotonic() < deadline, f"{resource} is not on the board"
    local = moment.astimezone(ROME)
    midnight = datetime.combine(local.date(), time(0), ROME)
    next_midnight = datetime.combine(local.date() + timedelta(days=1), time(0), ROME)
    share = (moment - midnight) / (next_midnight.astimezone(UTC) - midnight.astimezone(UTC))
    return lane["x"] + lane["width"] * share, lane["y"] + lane["height"] / 2


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag with the mouse, by way of some points between."""
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=4)
    page.mouse.move(*end, steps=4)
    page.mouse.up()
