"""P3: what is free of a type in a window, among 10,000 resources and a million leases."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlencode

from bench.load import drive, request_bytes
from bench.measuring import Record, Result, interleaved, parser, progress, ratio_of, say
from bench.population import FULL, QUICK, Population, populate
from bench.stage import Stage

# The best that we know: types and windows in one index, and nothing but keys asked for.
BEST = """
SELECT r.id FROM resources_resource r
WHERE r.kind = %(kind)s AND r.model = %(model)s AND r.in_service AND r.quarantined_at IS NULL
  AND r.id NOT IN (SELECT b.resource_id FROM bench_booking b
                   WHERE b.type = %(model)s AND b.occupies && tstzrange(%(starts_at)s, %(ends_at)s))
LIMIT %(limit)s
"""
LIMIT = 100


def main() -> int:
    """Measure the selector, and the endpoint on top of it."""
    chosen = parser(__doc__)
    chosen.add_argument("--server", default="gunicorn")
    options = chosen.parse_args()
    size = QUICK if options.quick else FULL
    record = Record(bench="free search (P3)", quick=options.quick)
    with Stage() as stage:
        population = populate(stage, size)
        stage.enter_portal()
        record.conditions |= stage.conditions
        record.conditions["rows"] = f"{size.resources:,} resources, {size.leases:,} leases, half of them ahead"
        searches = 20 if options.quick else 200
        for label, kind, model in (
            ("one model of 8", "gpu", "Model 3"),
            ("a kind of its own", "kind_9", "Model 9"),
        ):
            _selector(record, stage, population, options.rounds, searches, label, kind, model)
        _endpoint(record, stage, population, options, searches)
    return record.finish(options.json)


def windows(population: Population, count: int) -> list[tuple[datetime, datetime]]:
    """Return windows of two hours, spread over what lies ahead."""
    ahead = population.size.periods // 2 * 8 - 24
    starts = (population.base + timedelta(hours=12 + number * 7 % max(1, ahead)) for number in range(count))
    return [(start, start + timedelta(hours=2)) for start in starts]


def _selector(record, stage, population, rounds, searches, label, kind, model) -> None:  # type: ignore[no-untyped-def]
    from reservations.selectors.availability import Wanted, free_resource_ids

    wanted = Wanted(kind=kind, model=model)
    asked = windows(population, searches)

    took: tuple[list[float], list[float]] = ([], [])
    with stage.connect() as db:
        for number in range(rounds):
            ours: list[float] = []
            floor: list[float] = []
            for window in asked:  # in turn, since a neighbour's burst lasts as long as many searches
                ours.append(
                    _ms(lambda w: free_resource_ids(wanted, starts_at=w[0], ends_at=w[1], limit=LIMIT), window)
                )
                floor.append(_ms(lambda w: db.execute(BEST, best_values(kind, model, w)).fetchall(), window))
            took[0].append(statistics.median(ours))
            took[1].append(statistics.median(floor))
            progress(f"selector, {label}, round {number + 1}: {took[0][-1]:.2f}, {took[1][-1]:.2f} ms")
        whole = best_values(kind, model, asked[0]) | {"limit": 1_000_000}
        found = {row[0] for row in db.execute(BEST, whole)}
        same = set(free_resource_ids(wanted, starts_at=asked[0][0], ends_at=asked[0][1], limit=1_000_000))
        if found != same:
            raise SystemExit(f"The two searches disagree: {len(same)} and {len(found)} resources are free.")
    record.add(
        Result(
            name=f"free_resource_ids, {label}",
            product=statistics.median(took[0]),
            floor=statistics.median(took[1]),
            unit="ms",
            ratio=ratio_of(*took),
            goal="<= 5",
            note=f"{len(found)} of {population.size.per_model} free; stretch 2",
            rounds=took[0],
        )
    )


def best_values(kind: str, model: str, window: tuple[datetime, datetime]) -> dict[str, object]:
    """Return what the best search is asked: the window with its margins."""
    margin = timedelta(seconds=60)
    asked = {"starts_at": window[0] - margin, "ends_at": window[1] + margin}
    return {"kind": kind, "model": model, "limit": LIMIT, **asked}


def _ms(search: Callable[[tuple[datetime, datetime]], object], window: tuple[datetime, datetime]) -> float:
    began = time.perf_counter()
    search(window)
    return (time.perf_counter() - began) * 1000


def _endpoint(record, stage, population, options, searches) -> None:  # type: ignore[no-untyped-def]
    paths = []
    for starts_at, ends_at in windows(population, searches):
        query = {
            "kind": "gpu",
            "model": "Model 3",
            "from": starts_at.isoformat(),
            "to": ends_at.isoformat(),
            "limit": LIMIT,
        }
        paths.append("/api/v1/free/?" + urlencode(query))
    token = population.tokens[0]
    statements, status = count_statements(paths[0], token)
    if status != 200:
        say(f"GET /api/v1/free/ answers {status}: measured without the endpoint")
        return
    record.add(Result(name="GET /api/v1/free/: statements", product=statements, goal="<= 3"))
    with stage.served(options.server) as port, stage.connect() as db:
        real = [request_bytes("GET", path, token=token) for path in paths]
        null = [request_bytes("GET", "/bench/null/", token=token) for _ in paths]

        def get() -> float:
            load = drive(port, real, clients=1, expected=200)
            if set(load.statuses) != {200}:
                raise SystemExit(f"{load.statuses}: {load.bodies}")
            return statistics.median(load.latencies_s) * 1000

        def nothing() -> float:
            return statistics.median(drive(port, null, clients=1).latencies_s) * 1000

        def best() -> float:
            return statistics.median(
                _ms(lambda w: db.execute(BEST, best_values("gpu", "Model 3", w)).fetchall(), window)
                for window in windows(population, searches)
            )

        get(), nothing(), best()
        whole, empty, floor = interleaved(options.rounds, get, nothing, best, label="GET, null, best SQL")
    above = [a - b for a, b in zip(whole, empty, strict=True)]
    record.add(
        Result(
            name=f"GET /api/v1/free/ minus null ({options.server})",
            product=statistics.median(above),
            floor=statistics.median(floor),
            unit="ms",
            ratio=ratio_of(above, floor),
            goal="<= 5",
            note=f"whole answer {statistics.median(whole):.2f} ms, null {statistics.median(empty):.2f} ms",
            rounds=above,
        )
    )


def count_statements(path: str, token: str, *, body: object = None) -> tuple[int, int]:
    """Return how many statements a request runs, beside those of signing in, and its status."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(headers={"Authorization": f"Bearer {token}", "Host": "localhost"})

    def ask() -> int:
        if body is None:
            return client.get(path).status_code
        return client.post(path, json.dumps(body), content_type="application/json").status_code

    if body is None:
        ask()  # the first request of a token also writes its last use
    with CaptureQueriesContext(
        connection,
    ) as captured:
        status = ask()
    own = [query for query in captured.captured_queries if "accounts_personaltoken" not in query["sql"]]
    return len(own), status


if __name__ == "__main__":
    sys.exit(main())
