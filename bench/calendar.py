"""P4: the calendar. Statements, the server's time against the bare range query, and what a browser makes of it."""

import gzip
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from bench.calendar_population import BOOKINGS, populate
from bench.free_search import count_statements
from bench.load import drive, request_bytes
from bench.measuring import Record, Result, interleaved, parser, ratio_of, say
from bench.stage import Stage

# What is occupied by whom and when, for so many resources: keys and ranges, nothing made of them.
BARE = """
SELECT e.resource_id, e.lease_id, lower(e.occupies), upper(e.occupies) FROM reservations_calendarentry e
WHERE e.holding AND e.exclusive AND e.occupies && tstzrange(%(earliest)s, %(latest)s)
  AND e.resource_id IN (SELECT id FROM resources_resource ORDER BY id LIMIT %(limit)s)
"""
PAGE = 60
VIEWPORT: Any = {"width": 1440, "height": 900}

# From the navigation to the frame after the last box of the first screen was drawn.
DRAWN = """() => new Promise((done, fail) => {
    const look = () => {
        if (performance.now() > 30000) { fail(new Error(`No board after 30 s: ${document.title}`)); return; }
        const board = document.getElementById("board")?.board;
        const ready = board && !board.calendar.empty && !board.calendar.loading
            && document.querySelector(".line.device .entry") && !document.querySelector(".line.waiting");
        if (ready) requestAnimationFrame(() => setTimeout(() => done(performance.now()), 0));
        else requestAnimationFrame(look);
    };
    look();
})"""
# Down the board at an even pace for two seconds. A frame is dropped when the next one comes more than half a
# frame late; what the screen itself needs, without a board to draw, is the first number.
SCROLLED = """([pixels, idle]) => new Promise((done) => {
    const grid = document.querySelector(".grid");
    const frames = [];
    let last = 0;
    let began = 0;
    const step = (at) => {
        began ||= at;
        if (last) frames.push(at - last);
        last = at;
        if (!idle) grid.scrollTop = pixels * (at - began) / 2000;
        if (at - began < 2000) requestAnimationFrame(step);
        else done(frames);
    };
    requestAnimationFrame(step);
})"""


def main() -> int:
    """Measure the two sections that P4 names, then how it grows, then the browser."""
    options = parser(__doc__).parse_args()
    record = Record(bench="calendar (P4)", quick=options.quick)
    with Stage() as stage:
        record.conditions |= stage.conditions
        record.conditions["rows"] = f"{BOOKINGS} bookings of four hours for each device, half of them ahead"
        _sections(record, stage, options)
        for resources in (50,) if options.quick else (50, 500, 5000):
            _growth(record, stage, resources)
    return record.finish(options.json)


def _path(base: datetime, *, days: int, limit: int, offset: int = 0) -> str:
    query = {
        "from": base.isoformat(),
        "to": (base + timedelta(days=days)).isoformat(),
        "limit": limit,
        "offset": offset,
    }
    return "/api/v1/calendar/?" + urlencode(query)


def _token() -> str:
    from accounts.models import User
    from accounts.tokens import issue_token

    _, text = issue_token(user=User.objects.order_by("pk")[0], name="bench")
    return str(text)


def _sections(record: Record, stage: Stage, options: Any) -> None:
    base = populate(stage, resources=332)
    token = _token()
    with stage.served() as port, stage.connect() as db:
        for limit, days in ((332, 1), (100, 7)):
            path = _path(base, days=days, limit=limit)
            label = f"{limit} devices, {days} d"
            statements, status = count_statements(path, token)
            if status != 200:
                raise SystemExit(f"GET {path} answers {status}")
            record.add(Result(name=f"{label}: statements", product=statements, goal="<= 3"))
            values = {"earliest": base, "latest": base + timedelta(days=days), "limit": limit}
            many = 5 if options.quick else 40
            real = [request_bytes("GET", path, token=token)] * many
            null = [request_bytes("GET", "/bench/null/", token=token)] * many

            def get(real: list[bytes] = real) -> float:
                load = drive(port, real, clients=1, expected=200)
                if set(load.statuses) != {200}:
                    raise SystemExit(f"{load.statuses}: {load.bodies}")
                return statistics.median(load.latencies_s) * 1000

            def nothing(null: list[bytes] = null) -> float:
                return statistics.median(drive(port, null, clients=1).latencies_s) * 1000

            def bare(values: dict[str, object] = values, many: int = many) -> float:
                return statistics.median(
                    _ms(lambda: db.execute(BARE, values, prepare=True).fetchall()) for _ in range(many)
                )

            get(), nothing(), bare()
            whole, empty, floor = interleaved(
                options.rounds, get, nothing, bare, label=f"{label}: GET, null, bare"
            )
            above = [a - b for a, b in zip(whole, empty, strict=True)]
            record.add(
                Result(
                    name=f"{label}: GET minus null",
                    product=statistics.median(above),
                    floor=statistics.median(floor),
                    unit="ms",
                    ratio=ratio_of(above, floor),
                    goal="<= 10",
                    note=f"whole answer {statistics.median(whole):.1f} ms",
                    rounds=above,
                )
            )
        _browser(record, stage, port, base, options, f"332 devices, {BOOKINGS} bookings each")


def _growth(record: Record, stage: Stage, resources: int) -> None:
    base = populate(stage, resources=resources)
    token = _token()
    path = _path(base, days=7, limit=PAGE)
    statements, _ = count_statements(path, token)
    label = f"{resources:,} devices"
    record.add(Result(name=f"{label}: statements", product=statements, goal="<= 3"))
    with stage.served() as port:
        found = drive(port, [request_bytes("GET", path, token=token)] * 10, clients=1, expected=1)
        body = _body(path, token)
        packed = len(gzip.compress(body, compresslevel=1))
        record.add(
            Result(
                name=f"{label}: a page of {PAGE}, a week, packed",
                product=packed,
                unit="bytes",
                note=f"{len(body):,} plain, {statistics.median(found.latencies_s) * 1000:.0f} ms",
            )
        )
        _scrolling(record, stage, port, label, resources)


def _body(path: str, token: str) -> bytes:
    from django.test import Client

    return bytes(Client(headers={"Authorization": f"Bearer {token}", "Host": "localhost"}).get(path).content)


def _ms(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


class _Browser:
    """A headless Chromium in which the first researcher is signed in."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __enter__(self) -> Any:
        from django.conf import settings
        from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
        from django.contrib.sessions.backends.db import SessionStore
        from playwright.sync_api import sync_playwright

        from accounts.models import User

        person = User.objects.order_by("pk")[0]
        session = SessionStore()
        session[SESSION_KEY] = str(person.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = person.get_session_auth_hash()
        session.save()
        self.playing = sync_playwright().start()
        self.chromium = self.playing.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        self.url = f"http://127.0.0.1:{self.port}"
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session.session_key, "url": self.url}
        self.cookie: Any = cookie
        return self

    def page(self) -> Any:
        """Return a page that has nothing in its cache."""
        context = self.chromium.new_context(viewport=VIEWPORT, timezone_id="UTC")
        context.add_cookies([self.cookie])
        return context.new_page()

    def __exit__(self, *unused: object) -> None:
        self.chromium.close()
        self.playing.stop()


def _browser(record: Record, stage: Stage, port: int, base: datetime, options: Any, label: str) -> None:
    if _chromium() is None:
        say("No Chromium: measured without the browser")
        return
    with _Browser(port) as browser:
        for view in ("day", "week"):
            cold: list[float] = []
            warm: list[float] = []
            for _ in range(options.rounds + 1):
                page = browser.page()
                for took in (cold, warm):
                    page.goto(f"{browser.url}/?view={view}", wait_until="commit")
                    took.append(page.evaluate(DRAWN) / 1000)
                page.context.close()
            record.add(
                Result(
                    name=f"{view}, to the last box: first visit",
                    product=statistics.median(cold[1:]),
                    unit="s",
                    goal="<= 0.6",
                    note=f"{label}; again {statistics.median(warm[1:]):.2f} s",
                    rounds=cold,
                )
            )


def _scrolling(record: Record, stage: Stage, port: int, label: str, resources: int) -> None:
    if _chromium() is None:
        return
    with _Browser(port) as browser:
        page = browser.page()
        page.goto(f"{browser.url}/?view=week")
        page.evaluate(DRAWN)
        height = page.evaluate("document.querySelector('.canvas').offsetHeight")
        idle = page.evaluate(SCROLLED, [0, True])
        frames = page.evaluate(SCROLLED, [min(height, 8000), False])
        usual = statistics.median(idle)
        dropped = sum(frame > 1.5 * usual for frame in frames)
        still = sum(frame > 1.5 * usual for frame in idle)
        nodes = page.evaluate("document.querySelectorAll('*').length")
        requests = page.evaluate(
            "performance.getEntriesByType('resource').filter((one) => one.name.includes('calendar/?')).length"
        )
        record.add(
            Result(
                name=f"{label}: frames dropped while scrolling",
                product=dropped,
                floor=still,
                unit="frames",
                note=f"of {len(frames)}; slowest {max(frames):.0f} ms, usual {usual:.0f} ms; {nodes} nodes,"
                f" {requests} pages asked for",
            )
        )


if __name__ == "__main__":
    sys.exit(main())
