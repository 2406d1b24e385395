"""P1, P1b and P2: what a booking through REST costs, against PostgreSQL alone and against an empty endpoint."""

import json
import re
import statistics
import subprocess
import sys
import time
from datetime import datetime, timedelta
from typing import Any

import psycopg

from bench.free_search import count_statements
from bench.load import Load, drive, request_bytes
from bench.measuring import Record, Result, interleaved, parser, progress, quantile, ratio_of
from bench.population import FULL, QUICK, Population, populate
from bench.stage import Stage
from shary_portal.quickstart.postgres import programs

# Another place for each number, spread over all resources and eleven years.
FLOOR_INSERT = """
INSERT INTO bench_booking (resource_id, type, occupies)
SELECT md5('resource ' || (place % {resources} + 1))::uuid, 'Model 3',
       tstzrange(starts_at, starts_at + interval '1 hour')
FROM (SELECT place, timestamptz '{far}' + place / {resources} * interval '1 hour' AS starts_at
      FROM (SELECT nextval('bench_number') * 48271 % 1000000000 AS place) n) w
"""


class Bookings:
    """Hands out requests, each for an hour that is free."""

    def __init__(self, population: Population) -> None:
        self.population = population
        self.number = 0

    def body(self) -> dict[str, Any]:
        """Return what is asked for, and count on."""
        self.number += 1
        if self.number >= self.population.free_hours:
            raise SystemExit("Every free hour was booked; measure for a shorter time.")
        resource, starts_at = self.population.free_hour(self.number)
        return {
            "project": f"client-{self.number % len(self.population.tokens) + 1}",
            "purpose": "Training",
            "starts_at": _z(starts_at),
            "ends_at": _z(starts_at + timedelta(hours=1)),
            "resources": [{"resource": resource}],
        }

    @property
    def token(self) -> str:
        """The token of whoever asks with the last body."""
        return self.population.tokens[self.number % len(self.population.tokens)]

    def requests(self, count: int, path: str = "/api/v1/reservations/") -> list[bytes]:
        """Return so many requests."""
        made = []
        for _ in range(count):
            body = json.dumps(self.body()).encode()
            made.append(request_bytes("POST", path, token=self.token, body=body))
        return made


def main() -> int:
    """Measure throughput and unloaded latency."""
    chosen = parser(__doc__)
    chosen.add_argument(
        "--server", default="gunicorn", help="gunicorn, gunicorn-sync, gunicorn-asgi or uvicorn"
    )
    chosen.add_argument("--clients", type=int, default=8)
    chosen.add_argument("--seconds", type=float, default=0, help="of each side of each round")
    chosen.add_argument("--volatile", action="store_true", help="without fsync, for comparisons of CPU alone")
    options = chosen.parse_args()
    size = QUICK if options.quick else FULL
    seconds = options.seconds or (0.5 if options.quick else 4)
    record = Record(bench="booking (P1, P1b, P2)", quick=options.quick)
    with Stage(durable=not options.volatile) as stage:
        population = populate(stage, size)
        stage.enter_portal()
        bookings = Bookings(population)
        record.conditions |= stage.conditions
        record.conditions["rows"] = f"{size.resources:,} resources, {size.leases:,} leases, half of them ahead"
        record.conditions["server"] = f"{options.server}, 2 workers; {options.clients} keep-alive clients apart"
        for _ in range(2):  # the first time that a token is used, its last use is written
            bookings.number += len(population.tokens) - 1
            body = bookings.body()
            statements, status = count_statements("/api/v1/reservations/", bookings.token, body=body)
        if status != 201:
            raise SystemExit(f"A booking is answered with {status}.")
        record.add(Result(name="statements of one booking", product=statements, note="signing in apart"))
        with stage.served(options.server) as port:
            _throughput(record, stage, bookings, port, options.clients, seconds, options.rounds)
            _latency(record, stage, bookings, port, 30 if options.quick else 200, options.rounds)
    return record.finish(options.json)


def _throughput(
    record: Record, stage: Stage, bookings: Bookings, port: int, clients: int, seconds: float, rounds: int
) -> None:
    body = json.dumps(bookings.body()).encode()
    null = [request_bytes("POST", "/bench/null/", token=bookings.token, body=body)]
    latencies: list[float] = []
    sessions: list[float] = []

    def product() -> float:
        before = _sessions(stage)
        load = drive(
            port, bookings.requests(int(600 * seconds)), clients=clients, seconds=seconds, expected=201
        )
        _only(load, 201)
        latencies.extend(load.latencies_s)
        sessions.append((_sessions(stage) - before) / load.statuses[201])
        return load.per_second(201)

    def empty() -> float:
        load = drive(port, null * int(4000 * seconds), clients=clients, seconds=seconds)
        return load.per_second(201)

    def bare() -> float:
        return pgbench(stage, bookings.population, clients=8, seconds=max(1, round(seconds)))

    drive(port, bookings.requests(40), clients=clients)  # warm
    ours, nothing, floor = interleaved(rounds, product, empty, bare, label="bookings/s, null/s, pgbench/s")
    record.add(
        Result(
            name="P1  POST reservation / pgbench insert",
            product=statistics.median(ours),
            floor=statistics.median(floor),
            unit="/s",
            ratio=ratio_of(ours, floor),
            goal=">= 0.02",
            note="stretch 0.06",
            rounds=ours,
        )
    )
    record.add(
        Result(
            name="P1b POST reservation / null endpoint",
            product=statistics.median(ours),
            floor=statistics.median(nothing),
            unit="/s",
            ratio=ratio_of(ours, nothing),
            goal=">= 0.15",
            note="stretch 0.35",
            rounds=nothing,
        )
    )
    record.add(
        Result(
            name=f"P2  p99 with {clients} clients",
            product=quantile(latencies, 0.99) * 1000,
            unit="ms",
            goal="<= 200",
            note=f"p50 {quantile(latencies, 0.5) * 1000:.1f} ms",
        )
    )
    record.add(
        Result(
            name="database connections opened per booking",
            product=statistics.median(sessions),
            note="near 0 where connections are kept",
        )
    )


def _latency(record: Record, stage: Stage, bookings: Bookings, port: int, count: int, rounds: int) -> None:
    with stage.connect() as db:
        db.prepare_threshold = 0
        statement = floor_statement(bookings.population)

        def product() -> float:
            load = drive(port, bookings.requests(count), clients=1, expected=201)
            _only(load, 201)
            return statistics.median(load.latencies_s) * 1000

        def bare() -> float:
            return _median_insert_ms(db, statement, count)

        product()
        bare()
        ours, floor = interleaved(rounds, product, bare, label="p50 in ms, insert in ms")
    record.add(
        Result(
            name="P2  unloaded p50 / bare psycopg insert",
            product=statistics.median(ours),
            floor=statistics.median(floor),
            unit="ms",
            ratio=ratio_of(ours, floor),
            goal="<= 60",
            note="stretch 15",
            rounds=ours,
        )
    )


def _median_insert_ms(db: "psycopg.Connection[Any]", statement: str, count: int) -> float:
    took = []
    for _ in range(count):
        began = time.perf_counter()
        db.execute(statement)
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def floor_statement(population: Population) -> str:
    """Return the insert that everything is held against."""
    far = (population.base + timedelta(days=365)).isoformat()
    return FLOOR_INSERT.format(resources=population.size.resources, far=far)


def pgbench(stage: Stage, population: Population, *, clients: int, seconds: int) -> float:
    """Return how many bare inserts a second PostgreSQL takes."""
    script = stage.folder / "insert.sql"
    script.write_text(floor_statement(population).strip().replace("\n", " ") + ";\n")
    command = [
        *(programs() / "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "2"),
        *("-T", str(seconds), "-f", script, stage.postgres.url(stage.database)),
    ]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or not found:
        raise SystemExit(f"pgbench failed:\n{done.stdout}{done.stderr}")
    return float(found[1])


def _sessions(stage: Stage) -> float:
    time.sleep(0.6)  # the server counts a session when it writes its statistics
    with stage.connect("postgres") as db:
        row = db.execute(
            "SELECT sessions FROM pg_stat_database WHERE datname = %s", [stage.database]
        ).fetchone()
    return float(row[0]) if row else 0.0


def _only(load: Load, status: int) -> None:
    if set(load.statuses) != {status}:
        progress(f"answers other than {status}: {dict(load.statuses)} {load.bodies[:2]}")
    if not load.statuses[status]:
        raise SystemExit("Not one booking succeeded.")


def _z(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


if __name__ == "__main__":
    sys.exit(main())
