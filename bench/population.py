"""A portal with a past and a full calendar: loaded in bulk, once, around the triggers.

Every resource has a lease in each period of eight hours: four hours taken, four hours free, each
resource with another offset. Half of the leases lie behind and are released, half lie ahead and
hold their place in the calendar's constraint. A second table holds the same bookings with
nothing but the constraint: the floor.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from bench.measuring import progress
from bench.stage import Stage, migrations_digest

PERIOD = timedelta(hours=8)
TAKEN = timedelta(hours=4)
MARGIN_S = 60
VERSION = 4
STALE_AFTER = timedelta(days=3)
CLIENTS = 200
"""Users with a token and a project of their own, so that no project has thousands of open bookings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much there is."""

    resources: int
    leases: int

    @property
    def periods(self) -> int:
        """The leases of each resource; half of them ahead."""
        return self.leases // self.resources

    @property
    def per_model(self) -> int:
        """How many resources are of one model."""
        return max(1, self.resources // 20)


FULL = Size(resources=10_000, leases=1_000_000)
QUICK = Size(resources=400, leases=8_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """What was loaded, and how to find a free place in it."""

    size: Size
    base: datetime
    """The hour that parts past and future."""
    tokens: tuple[str, ...]

    def free_hour(self, number: int) -> tuple[str, datetime]:
        """Return a resource and the start of an hour that is free: another one for each number."""
        resources, ahead = self.size.resources, self.size.periods // 2 - 1
        places = resources * ahead * 3
        place = (number * 48_271) % places
        resource, rest = place % resources + 1, place // resources
        period, hour = rest % ahead, rest // ahead
        starts_at = (
            self.base
            + offset_of(resource)
            + period * PERIOD
            + TAKEN
            + timedelta(seconds=2 * MARGIN_S)
            + hour * timedelta(minutes=75)
        )
        return resource_id(resource), starts_at

    @property
    def free_hours(self) -> int:
        """How many numbers have a place."""
        return self.size.resources * (self.size.periods // 2 - 1) * 3


def offset_of(resource: int) -> timedelta:
    """Return how far into each period a resource's lease begins."""
    return timedelta(minutes=(resource * 35) % 480)


def resource_id(number: int) -> str:
    """Return the key of a resource; the same as in the SQL below."""
    from hashlib import md5
    from uuid import UUID

    return str(UUID(md5(f"resource {number}".encode()).hexdigest()))


def populate(stage: Stage, size: Size) -> Population:
    """Return the populated database, made if there is none yet or its future has passed."""
    name = f"history_{size.leases}_{VERSION}_{migrations_digest()}"
    stage.database = name
    if stage.exists(name):
        with stage.connect() as db:
            found = _read(db, size)
            if datetime.now(UTC) - found.base < STALE_AFTER:
                _forget_bookings(db)
                _warm(db)
                return found
    making = f"{name}_made"
    template = stage.migrated()
    stage.create(making, template=template)
    began = time.monotonic()
    with stage.connect(making) as db:
        _load(db, size)
    stage.drop(name)
    with stage.connect("postgres") as db:
        db.execute(f'ALTER DATABASE "{making}" RENAME TO "{name}"')
    progress(f"loaded {size.leases:,} leases in {time.monotonic() - began:.0f} s")
    with stage.connect() as db:
        return _read(db, size)


def _read(db: "psycopg.Connection[Any]", size: Size) -> Population:
    (base,) = db.execute("SELECT base FROM bench_note").fetchone() or (None,)
    tokens = tuple(row[0] for row in db.execute("SELECT text FROM bench_token ORDER BY id"))
    assert base is not None
    return Population(size=size, base=base.astimezone(UTC), tokens=tokens)


def _forget_bookings(db: "psycopg.Connection[Any]") -> None:
    """Remove what earlier measurements booked, so that each begins with the same rows."""
    db.execute("SET session_replication_role = replica")
    db.execute(
        "CREATE TEMP TABLE mine AS SELECT l.id, l.reservation_id FROM accounts_project p"
        " JOIN reservations_reservation v ON v.project_id = p.id"
        " JOIN reservations_lease l ON l.reservation_id = v.id WHERE p.slug LIKE 'client-%'"
    )
    db.execute("ANALYZE mine")
    for table in ("calendarentry", "leaseevent", "outgoingorder"):
        db.execute(f"DELETE FROM reservations_{table} t USING mine WHERE t.lease_id = mine.id")
    db.execute("DELETE FROM reservations_lease t USING mine WHERE t.id = mine.id")
    db.execute("DELETE FROM reservations_reservation t USING mine WHERE t.id = mine.reservation_id")
    db.execute("DROP TABLE mine")
    db.execute("DELETE FROM bench_booking WHERE id > (SELECT last_id FROM bench_note)")
    db.execute("SET session_replication_role = DEFAULT")
    db.execute("VACUUM (ANALYZE) reservations_calendarentry, reservations_lease, reservations_reservation")


def _warm(db: "psycopg.Connection[Any]") -> None:
    """Bring the tables into memory, as on a server that has run for a day."""
    db.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
    db.execute(
        "SELECT sum(pg_prewarm(oid)) FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')"
    )


_SMALL = """
INSERT INTO accounts_organisation (slug, name) VALUES ('uni-a', 'Uni A');
INSERT INTO resources_site (slug, name, organisation_id, time_zone, contact_email, approval, start_grace, public_key)
    SELECT 'site-' || n, 'Site ' || n, (SELECT id FROM accounts_organisation), 'UTC', '', 'automatic',
           interval '10 minutes', '' FROM generate_series(1, 10) n;
INSERT INTO accounts_user (username, password, is_superuser, first_name, last_name, email, is_staff, is_active,
                           date_joined, time_zone, home_organisation_id)
    SELECT who || n, '!', false, '', '', who || n || '@uni-a.example', false, true, now(), '',
           (SELECT id FROM accounts_organisation)
    FROM (VALUES ('researcher-', {past}), ('client-', {clients})) AS kinds (who, many),
         generate_series(1, many) n;
INSERT INTO accounts_project (slug, name, organisation_id, most_open_reservations, most_hours)
    SELECT username, username, (SELECT id FROM accounts_organisation), 1000000, 10000000 FROM accounts_user;
INSERT INTO accounts_membership (project_id, user_id, role)
    SELECT p.id, u.id, 'member' FROM accounts_user u JOIN accounts_project p ON p.slug = u.username;
"""
_RESOURCES = """
INSERT INTO resources_resource (id, site_id, name, kind, adapter, attributes, settings, preparation_s, cleanup_s,
                                in_service, quarantine_reason, health, health_detail, measurements, observed_at)
    SELECT md5('resource ' || n)::uuid, (SELECT min(id) FROM resources_site) + n %% 10,
           'device ' || lpad(n::text, 6, '0'),
           CASE WHEN n %% 20 < 8 THEN 'gpu' ELSE 'kind_' || n %% 20 END, 'gpu_lxd',
           jsonb_build_object('model', 'Model ' || n %% 20, 'memory_gib', 48), '{}', %(margin)s, %(margin)s,
           true, '', 'healthy', '', '{}', now()
    FROM generate_series(1, %(resources)s) n;
"""
_COVERS = """
INSERT INTO resources_cover (whole_id, part_id, depth)
    SELECT id, id, 0 FROM resources_resource ON CONFLICT DO NOTHING;
"""
_LEASES = """
CREATE TEMP TABLE booked AS
    SELECT n, k, md5('resource ' || n)::uuid AS resource_id, md5('lease ' || n || ' ' || k)::uuid AS id,
           CASE WHEN n %% 20 < 8 THEN 'gpu' ELSE 'kind_' || n %% 20 END AS kind,
           (SELECT min(id) FROM accounts_user) + (n * 7 + k) %% {past} AS user_id,
           (SELECT min(id) FROM accounts_project) + (n * 7 + k) %% {past} AS project_id,
           starts_at, starts_at + interval '4 hours' AS ends_at, k >= 0 AS ahead
    FROM generate_series(1, %(resources)s) n, generate_series(-%(half)s, %(half)s - 1) k,
         LATERAL (SELECT %(base)s::timestamptz + (n * 35 %% 480) * interval '1 minute'
                         + k * interval '8 hours' AS starts_at) w
    ORDER BY k, n;
INSERT INTO reservations_reservation (id, project_id, holder_id, purpose, starts_at, ends_at, created_at, version)
    SELECT id, project_id, user_id, 'Training', starts_at, ends_at, starts_at - interval '2 days', 1 FROM booked;
INSERT INTO reservations_lease (id, reservation_id, resource_id, status, starts_at, ends_at, preparation_s,
        cleanup_s, parameters, revision, next_action_at, attempts, access, trouble, epoch)
    SELECT id, id, resource_id, CASE WHEN ahead THEN 'SCHEDULED' ELSE 'RELEASED' END, starts_at, ends_at,
           %(margin)s, %(margin)s, '{{}}', 0,
           CASE WHEN ahead THEN starts_at - %(margin)s * interval '1 second' END, 0, '', '', n
    FROM booked;
INSERT INTO reservations_calendarentry (resource_id, kind, lease_id, occupies, exclusive, holding, on_device)
    SELECT resource_id, kind, id, tstzrange(starts_at - %(margin)s * interval '1 second',
           ends_at + %(margin)s * interval '1 second'), true, ahead, false
    FROM booked;
INSERT INTO reservations_leaseevent (lease_id, at, source, "to", reason)
    SELECT id, starts_at - interval '2 days', '', 'SCHEDULED', 'Booked; the site approves by itself' FROM booked;
CREATE TABLE bench_booking (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, resource_id uuid NOT NULL,
                            type text NOT NULL, occupies tstzrange NOT NULL);
INSERT INTO bench_booking (resource_id, type, occupies)
    SELECT resource_id, 'Model ' || n %% 20, tstzrange(starts_at - %(margin)s * interval '1 second',
           ends_at + %(margin)s * interval '1 second')
    FROM booked WHERE ahead;
"""
_FLOOR = """
ALTER TABLE bench_booking ADD CONSTRAINT bench_no_overlap
    EXCLUDE USING gist (resource_id WITH =, occupies WITH &&);
CREATE INDEX bench_by_type ON bench_booking USING gist (type, occupies);
CREATE TABLE bench_note AS SELECT %(base)s::timestamptz AS base, (SELECT max(id) FROM bench_booking) AS last_id;
CREATE SEQUENCE bench_number;
"""
PAST_PROJECTS = 200
_BIG = (
    "reservations_reservation",
    "reservations_lease",
    "reservations_calendarentry",
    "reservations_leaseevent",
)


def _load(db: "psycopg.Connection[Any]", size: Size) -> None:
    base = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    values = {
        "resources": size.resources,
        "half": size.periods // 2,
        "margin": MARGIN_S,
        "base": base,
    }
    db.execute("SET session_replication_role = replica")
    db.execute("SET maintenance_work_mem = '512MB'")
    db.execute("SET synchronous_commit = off")
    _each(db, _SMALL.format(past=PAST_PROJECTS, clients=CLIENTS), {})
    _tokens(db)
    _each(db, _RESOURCES, values)
    _each(db, _COVERS, {})
    with _without_indexes(db):
        _each(db, _LEASES.format(past=PAST_PROJECTS), values)
    _each(db, _FLOOR, values)
    db.execute("SET session_replication_role = DEFAULT")
    progress("vacuum and checkpoint")
    db.execute("VACUUM (ANALYZE)")
    db.execute("CHECKPOINT")


def _each(db: "psycopg.Connection[Any]", text: str, values: dict[str, object]) -> None:
    for statement in text.split(";\n"):
        if statement.strip():
            progress(" ".join(statement.split())[:70])
            db.execute(statement, values or None)


def _tokens(db: "psycopg.Connection[Any]") -> None:
    import hashlib
    import secrets
    from uuid import uuid4

    db.execute("CREATE TABLE bench_token (id bigint PRIMARY KEY, text text NOT NULL)")
    users = db.execute("SELECT id FROM accounts_user WHERE username LIKE 'client-%' ORDER BY id").fetchall()
    for (user,) in users:
        text = "shy_" + secrets.token_urlsafe(32)
        db.execute("INSERT INTO bench_token VALUES (%s, %s)", [user, text])
        db.execute(
            "INSERT INTO accounts_personaltoken (id, user_id, name, digest, prefix, created_at)"
            " VALUES (%s, %s, 'script', %s, %s, now())",
            [uuid4(), user, hashlib.sha256(text.encode()).hexdigest(), text[:8]],
        )


@contextmanager
def _without_indexes(db: "psycopg.Connection[Any]") -> Iterator[None]:
    """Load first, index afterwards: the same result in a tenth of the time. Primary keys stay."""
    constraints = db.execute(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = ANY(%s::regclass[]) AND contype IN ('x', 'u')",
        [list(_BIG)],
    ).fetchall()
    for table, name, _ in constraints:
        db.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    indexes = db.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid = ANY(%s::regclass[]) AND NOT indisprimary",
        [list(_BIG)],
    ).fetchall()
    for name, _ in indexes:
        db.execute(f"DROP INDEX {name}")
    yield
    for _, definition in indexes:
        progress(definition[:90])
        db.execute(definition)
    for table, name, definition in constraints:
        progress(f"{name}: {definition[:60]}")
        db.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
