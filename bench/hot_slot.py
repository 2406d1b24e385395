"""P5: many want the same device at the same time; then many want all kinds of things at once.

That nothing overlaps is checked by a query of its own, which knows nothing of the constraint.
"""

import asyncio
import json
import multiprocessing
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.booking import Bookings
from bench.load import read_answer, request_bytes
from bench.measuring import Record, Result, parser, progress, say
from bench.population import FULL, QUICK, populate
from bench.stage import Stage

OVERLAPS = """
WITH taken AS (
    SELECT c.part_id AS resource_id, l.id,
           l.starts_at - l.preparation_s * interval '1 second' AS begins,
           l.ends_at + l.cleanup_s * interval '1 second' AS ends
    FROM reservations_lease l JOIN resources_cover c ON c.whole_id = l.resource_id
    WHERE l.status NOT IN ('REJECTED', 'CANCELLED', 'RELEASED') AND l.ends_at > now()
    UNION ALL
    SELECT c.part_id, m.id, m.starts_at, m.ends_at
    FROM resources_maintenancewindow m JOIN resources_cover c ON c.whole_id = m.resource_id
), neighbours AS (
    SELECT begins, max(ends) OVER (PARTITION BY resource_id ORDER BY begins, id
                                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS last_end FROM taken
)
SELECT count(*) FILTER (WHERE last_end > begins), count(*) FROM neighbours
"""
VERBS = ("book", "extend", "shorten", "cancel", "maintain")
WEIGHTS = (50, 15, 10, 17, 8)


def main() -> int:
    """Measure one hot slot, then a mixed crowd."""
    chosen = parser(__doc__)
    chosen.add_argument("--server", default="gunicorn")
    chosen.add_argument("--clients", type=int, default=64)
    chosen.add_argument("--slots", type=int, default=0, help="rounds on a hot slot; 200 unless quick")
    chosen.add_argument("--attempts", type=int, default=0, help="of the mixed crowd; 100000 unless quick")
    chosen.add_argument("--processes", type=int, default=3, help="of the mixed crowd")
    options = chosen.parse_args()
    size = QUICK if options.quick else FULL
    record = Record(bench="hot slot (P5)", quick=options.quick)
    with Stage() as stage:
        population = populate(stage, size)
        stage.enter_portal()
        record.conditions |= stage.conditions
        record.conditions["server"] = f"{options.server}, 2 workers"
        with stage.served(options.server) as port:
            slots = options.slots or (5 if options.quick else 200)
            _hot(record, stage, Bookings(population), port, options.clients, slots)
        attempts = options.attempts or (300 if options.quick else 100_000)
        _mixed(record, stage, options.server, attempts, options.processes)
    return record.finish(options.json)


def _hot(record: Record, stage: Stage, bookings: Bookings, port: int, clients: int, slots: int) -> None:
    contended: list[Counter[int]] = []
    ratios = []
    speeds: tuple[list[float], list[float]] = ([], [])
    per_block = max(1, slots // 5)
    _in_process(port, [bookings.requests(clients)])
    for block in range(0, slots, per_block):
        hot = []
        for _ in range(min(per_block, slots - block)):
            body = bookings.body()
            tokens = bookings.population.tokens
            requests = []
            for client in range(clients):
                number = client % len(tokens)
                text = json.dumps(body | {"project": f"client-{number + 1}"}).encode()
                requests.append(request_bytes("POST", "/api/v1/reservations/", token=tokens[number], body=text))
            hot.append(requests)
        cold = [bookings.requests(clients) for _ in hot]
        seconds, answers = _in_process(port, hot)
        free_seconds, free_answers = _in_process(port, cold)
        contended += answers
        if any(set(answer) != {201} for answer in free_answers):
            progress(f"uncontended bookings were refused: {free_answers[:3]}")
        speeds[0].append(len(hot) * clients / seconds)
        speeds[1].append(len(cold) * clients / free_seconds)
        ratios.append(free_seconds / seconds)
        progress(f"{block + len(hot)} slots: {speeds[0][-1]:.0f}/s contended, {speeds[1][-1]:.0f}/s apart")
    together: Counter[int] = sum(contended, Counter())
    record.add(
        Result(
            name=f"slots of {slots} with exactly one 201",
            product=sum(answer[201] == 1 for answer in contended),
            goal=f"== {slots}",
            note=f"{clients} clients; answers {dict(together)}",
        )
    )
    odd = sum(count for status, count in together.items() if status not in (201, 409))
    record.add(Result(name="answers other than 201 and 409", product=odd, goal="== 0"))
    record.add(
        Result(
            name="throughput, contended / apart",
            product=statistics.median(speeds[0]),
            floor=statistics.median(speeds[1]),
            unit="/s",
            ratio=statistics.median(ratios),
            goal=">= 0.5",
            note="stretch 1",
            rounds=speeds[0],
        )
    )
    _check_overlaps(record, stage, "hot slot")


def _check_overlaps(record: Record, stage: Stage, label: str) -> None:
    with stage.connect() as db:
        overlaps, rows = db.execute(OVERLAPS).fetchone() or (-1, 0)
    record.add(
        Result(name=f"{label}: overlaps", product=overlaps, goal="== 0", note=f"{rows:,} intervals looked at")
    )


def _in_process(port: int, rounds: Sequence[Sequence[bytes]]) -> tuple[float, list[Counter[int]]]:
    """Send each round's requests at once, from a process apart; return the time and the answers."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_run_rounds, (port, rounds))


def _run_rounds(port: int, rounds: Sequence[Sequence[bytes]]) -> tuple[float, list[Counter[int]]]:
    return asyncio.run(_rounds(port, rounds))


async def _rounds(port: int, rounds: Sequence[Sequence[bytes]]) -> tuple[float, list[Counter[int]]]:
    clients = [Client(port) for _ in rounds[0]]
    for client in clients:
        await client.connect()
    answers = []
    began = time.perf_counter()
    for requests in rounds:
        got = await asyncio.gather(
            *(client.ask(request) for client, request in zip(clients, requests, strict=True))
        )
        answers.append(Counter(status for status, _ in got))
    seconds = time.perf_counter() - began
    for client in clients:
        client.close()
    return seconds, answers


class Client:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def connect(self) -> None:
        """Open the connection."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    def close(self) -> None:
        """Close the connection."""
        self.writer.close()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and return the answer; status 0 when there was none."""
        for _ in range(2):
            try:
                self.writer.write(request)
                status, body, keeps = await read_answer(self.reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                await self.connect()
                continue
            if not keeps:
                self.close()
                await self.connect()
            return status, body
        return 0, b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """What one process of the crowd needs to know."""

    port: int
    tokens: tuple[str, ...]
    operator: str
    resources: tuple[str, ...]
    base: datetime
    attempts: int
    seed: int
    connections: int = 8


@dataclass
class Tally:
    """What the crowd was answered."""

    answers: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    unclean: list[str] = field(default_factory=list)
    """Refusals without a reason, and whatever is no refusal."""


def _mixed(record: Record, stage: Stage, server: str, attempts: int, processes: int) -> None:
    from django.db import connections

    connections.close_all()
    stage.fresh()
    connections.close_all()
    _point_django_at(stage)
    tokens, operator, resources = _enter_crowd()
    base = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    with stage.served(server) as port:
        crowds = [
            Crowd(
                port=port,
                tokens=tokens,
                operator=operator,
                resources=resources,
                base=base,
                attempts=attempts // processes,
                seed=seed,
            )
            for seed in range(processes)
        ]
        began = time.perf_counter()
        context = multiprocessing.get_context("spawn")
        with context.Pool(processes) as pool:
            tallies = pool.map(_run_crowd, crowds)
        seconds = time.perf_counter() - began
    answers: Counter[str] = sum((tally.answers for tally in tallies), Counter())
    reasons: Counter[str] = sum((tally.reasons for tally in tallies), Counter())
    unclean = [text for tally in tallies for text in tally.unclean]
    made = sum(answers.values())
    for text in unclean[:5]:
        say(f"  unclean: {text}")
    record.conditions["mixed crowd"] = ", ".join(f"{name} {count}" for name, count in sorted(answers.items()))
    record.conditions["reasons given"] = ", ".join(f"{name} {count}" for name, count in reasons.most_common(12))
    record.add(
        Result(
            name="mixed attempts",
            product=made,
            unit="",
            note=f"{made / seconds:.0f}/s, {processes} processes of 8 clients",
        )
    )
    record.add(Result(name="answers without a clean reason, or 5xx", product=len(unclean), goal="== 0"))
    _check_overlaps(record, stage, "mixed")


def _point_django_at(stage: Stage) -> None:
    from django.db import connections

    connections["default"].settings_dict["NAME"] = stage.database
    connections.settings["default"]["NAME"] = stage.database


def _enter_crowd() -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """Enter 40 devices of four parts each at two sites, 20 researchers and an operator."""
    from accounts.models import Membership, Organisation, Project, User
    from accounts.tokens import issue_token
    from resources.models import Operatorship, Resource, Site

    organisation = Organisation.objects.create(slug="uni-a", name="Uni A")
    operator = User.objects.create(username="operator")
    tokens = []
    for number in range(20):
        user = User.objects.create(username=f"client-{number}")
        project = Project.objects.create(
            slug=f"client-{number}", name=f"Client {number}", organisation=organisation
        )
        Membership.objects.create(project=project, user=user)
        tokens.append(issue_token(user=user, name="script")[1])
    keys = []
    for site_number in range(2):
        site = Site.objects.create(
            slug=f"site-{site_number}", name=f"Site {site_number}", organisation=organisation
        )
        Operatorship.objects.create(site=site, user=operator)
        for number in range(20):
            fields: dict[str, Any] = {
                "site": site,
                "adapter": "gpu_lxd",
                "attributes": {"model": "L40S"},
                "health": "healthy",
            }
            whole = Resource.objects.create(name=f"card {number}", kind="gpu", **fields)
            keys.append(str(whole.pk))
            for part in range(4):
                slice_ = Resource.objects.create(
                    name=f"card {number} part {part}", kind="gpu_slice", parent=whole, **fields
                )
                keys.append(str(slice_.pk))
    return tuple(tokens), issue_token(user=operator, name="script")[1], tuple(keys)


def _run_crowd(crowd: Crowd) -> Tally:
    return asyncio.run(_crowd(crowd))


async def _crowd(crowd: Crowd) -> Tally:
    tally = Tally()
    left = iter(range(crowd.attempts))
    await asyncio.gather(*(_member(crowd, tally, left, number) for number in range(crowd.connections)))
    return tally


async def _member(crowd: Crowd, tally: Tally, left: Any, number: int) -> None:
    """One person who books and changes their mind, in a span of four days that is soon full."""
    dice = random.Random(crowd.seed * 1000 + number)
    who = dice.randrange(len(crowd.tokens))
    token = crowd.tokens[who]
    client = Client(crowd.port)
    await client.connect()
    mine: list[tuple[str, datetime, datetime]] = []
    windows: list[str] = []
    for _ in left:
        verb = dice.choices(VERBS, WEIGHTS)[0]
        if verb in ("extend", "shorten", "cancel") and not mine:
            verb = "book"
        starts_at = crowd.base + timedelta(minutes=15 * dice.randrange(4 * 96))
        ends_at = starts_at + timedelta(minutes=15 * dice.randint(1, 24))
        if verb == "book":
            count = dice.choice((1, 1, 1, 2, 3))
            asks: list[dict[str, Any]] = [{"resource": key} for key in dice.sample(crowd.resources, count)]
            if dice.random() < 0.3:
                asks = [{"kind": dice.choice(("gpu", "gpu_slice")), "count": count}]
            body: dict[str, Any] = {
                "project": f"client-{who}",
                "starts_at": starts_at.isoformat(),
                "ends_at": ends_at.isoformat(),
                "resources": asks,
            }
            status, text = await _post(client, "/api/v1/reservations/", token, body)
            if status == 201:
                mine.append((json.loads(text)["id"], starts_at, ends_at))
        elif verb == "maintain":
            if windows and dice.random() < 0.5:
                verb, path = "maintenance over", f"/api/v1/maintenance/{windows.pop()}/"
                status, text = await client.ask(request_bytes("DELETE", path, token=crowd.operator))
            else:
                body = {
                    "resource": dice.choice(crowd.resources),
                    "starts_at": starts_at.isoformat(),
                    "ends_at": ends_at.isoformat(),
                    "reason": "Firmware",
                }
                status, text = await _post(client, "/api/v1/maintenance/", crowd.operator, body)
                if status == 201:
                    windows.append(json.loads(text)["id"])
        else:
            place = dice.randrange(len(mine))
            key, begins, ends = mine[place]
            path = f"/api/v1/reservations/{key}/{verb}/"
            if verb == "cancel":
                status, text = await _post(client, path, token, {})
                mine.pop(place)
            else:
                quarter = timedelta(minutes=15 * dice.randint(1, 8))
                new = ends + quarter if verb == "extend" else ends - quarter
                status, text = await _post(client, path, token, {"ends_at": new.isoformat()})
                if status == 200:
                    mine[place] = (key, begins, new)
        _count(tally, verb, status, text)
    client.close()


async def _post(client: Client, path: str, token: str, body: dict[str, Any]) -> tuple[int, bytes]:
    return await client.ask(request_bytes("POST", path, token=token, body=json.dumps(body).encode()))


def _count(tally: Tally, verb: str, status: int, text: bytes) -> None:
    tally.answers[f"{verb} {status}"] += 1
    if 200 <= status < 300:
        return
    try:
        problem = json.loads(text)
    except ValueError:
        problem = {}
    reasons = [refusal.get("reason") for refusal in problem.get("refusals") or ()]
    words = [refusal.get("message") for refusal in problem.get("refusals") or ()]
    explained = all(words) if words else bool(problem.get("detail"))
    if (
        status not in (400, 409)
        or not problem.get("code")
        or not explained
        or (problem.get("code") == "cannot_book" and not words)
    ):
        tally.unclean.append(f"{verb} {status} {text[:400]!r}")
    tally.reasons.update(reasons or [str(problem.get("code"))])


if __name__ == "__main__":
    sys.exit(main())
