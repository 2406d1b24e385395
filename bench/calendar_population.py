"""A federation for the board: devices at ten sites, each with twenty bookings around today."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bench.measuring import progress
from bench.stage import Stage, migrations_digest

VERSION = 1
BOOKINGS = 20
SITES = 10
PEOPLE = 50
KINDS = ("gpu", "gpu", "gpu", "smart_nic", "p4_switch")
MARGIN = timedelta(seconds=60)


def populate(stage: Stage, *, resources: int) -> datetime:
    """Make the portal use a database with so many resources, filled if it is not yet; return its midnight."""
    base = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    name = f"board_{resources}_{VERSION}_{base:%y%m%d}_{migrations_digest()}"
    filled = stage.exists(name)
    if not filled:
        stage.create(f"{name}_made", template=stage.migrated())
        _use(stage, f"{name}_made")
        progress(f"filling a calendar of {resources:,} devices")
        _fill(resources, base)
        _use(stage, "postgres")
        with stage.connect("postgres") as db:
            db.execute(f'ALTER DATABASE "{name}_made" RENAME TO "{name}"')
    _use(stage, name)
    return base


def _use(stage: Stage, name: str) -> None:
    """Turn this process and those that it starts to another database."""
    stage.database = name
    stage.enter_portal()
    from django.db import connection

    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    connection.settings_dict["NAME"] = name


def _fill(resources: int, base: datetime) -> None:
    """Write all rows as the portal would, but the calendar by hand: its triggers would take minutes."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        _write(resources, base)
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("VACUUM (ANALYZE)")


def _write(resources: int, base: datetime) -> None:
    from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

    from accounts.models import Membership, Organisation, Project, User
    from reservations.models import CalendarEntry, Lease, Reservation
    from resources.models import Cover, Resource, Site

    home = Organisation.objects.create(slug="uni-a", name="Uni A")
    sites = [
        Site.objects.create(slug=f"site-{n}", name=f"Site {n}", organisation=home, time_zone="UTC")
        for n in range(1, SITES + 1)
    ]
    names = [f"researcher-{n}" for n in range(1, PEOPLE + 1)]
    people = [User.objects.create(username=name, home_organisation=home) for name in names]
    projects = [Project.objects.create(slug=name, name=name, organisation=home) for name in names]
    for person, project in zip(people, projects, strict=True):
        Membership.objects.create(user=person, project=project)
    devices = Resource.objects.bulk_create(
        Resource(
            site=sites[n % SITES],
            name=f"Device {n}",
            kind=KINDS[n % len(KINDS)],
            adapter="gpu_lxd",
            attributes={"model": f"Model {n % 8}", "memory_gib": 48},
            preparation_s=60,
            cleanup_s=60,
            health="healthy",
        )
        for n in range(resources)
    )
    Cover.objects.bulk_create(Cover(whole=device, part=device, depth=0) for device in devices)
    booked: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for n, device in enumerate(devices):
        for k in range(-BOOKINGS // 2, BOOKINGS // 2):
            starts_at = base + timedelta(minutes=n * 35 % 480, hours=8 * k)
            window = {"starts_at": starts_at, "ends_at": starts_at + timedelta(hours=4)}
            who = (n * 7 + k) % PEOPLE
            reservation = Reservation(project=projects[who], holder=people[who], purpose="Training", **window)
            lease = Lease(
                reservation=reservation,
                resource=device,
                status="SCHEDULED" if k >= 0 else "RELEASED",
                preparation_s=60,
                cleanup_s=60,
                next_action_at=starts_at if k >= 0 else None,
                **window,
            )
            entry = CalendarEntry(
                resource=device,
                kind=device.kind,
                lease=lease,
                occupies=DateTimeTZRange(starts_at - MARGIN, window["ends_at"] + MARGIN),
                exclusive=True,
                holding=k >= 0,
            )
            for rows, row in zip(booked, (reservation, lease, entry), strict=True):
                rows.append(row)
    for model, rows in zip((Reservation, Lease, CalendarEntry), booked, strict=True):
        model.objects.bulk_create(rows, batch_size=2000)  # type: ignore[attr-defined]
