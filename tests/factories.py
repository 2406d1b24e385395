"""Valid objects, quickly: plain functions, each with defaults for all that a test does not care about."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.db import connection, transaction

from accounts.models import Membership, Organisation, Project, SshKey, User
from accounts.tokens import issue_token
from adapters.contract import Access, Endpoint
from adapters.contract.wire import to_json
from reservations.models import Artefact, Lease, Reservation
from reservations.services.gate import move, record_moves
from reservations.states import IN_WORKER, ON_DEVICE, Status
from resources.models import Operatorship, Resource, Site

_numbers = count(1)

# The way of a lease to each state, through the legal moves.
_WAYS: dict[Status, tuple[Status, ...]] = {
    Status.REQUESTED: (),
    Status.SCHEDULED: (),
    Status.PROVISIONING: (Status.PROVISIONING,),
    Status.ACTIVE: (Status.PROVISIONING, Status.ACTIVE),
    Status.RELEASING: (Status.PROVISIONING, Status.ACTIVE, Status.RELEASING),
    Status.RELEASED: (Status.PROVISIONING, Status.ACTIVE, Status.RELEASING, Status.RELEASED),
    Status.RELEASE_FAILED: (
        Status.PROVISIONING,
        Status.ACTIVE,
        Status.RELEASING,
        Status.RELEASE_FAILED,
    ),
    Status.REJECTED: (Status.REJECTED,),
    Status.CANCELLED: (Status.CANCELLED,),
}


def next_hour(*, after_h: float = 1) -> datetime:
    """Return a full hour that lies ahead, for windows that do not touch the present."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return hour + timedelta(hours=after_h - 1)


def make_organisation(slug: str | None = None) -> Organisation:
    """Make an institution, or return the one of that name."""
    slug = slug or f"uni-{next(_numbers)}"
    return Organisation.objects.get_or_create(slug=slug, defaults={"name": slug.replace("-", " ").title()})[0]


def make_user(
    username: str | None = None,
    *,
    projects: Sequence[Project] = (),
    leads: Sequence[Project] = (),
    operates: Sequence[Site] = (),
    **fields: Any,
) -> User:
    """Make somebody who can sign in by `force_login`; with a password only where one is given."""
    username = username or f"researcher-{next(_numbers)}"
    fields.setdefault("email", f"{username}@uni-a.example")
    user = User.objects.create_user(username=username, **fields)
    for project in projects:
        Membership.objects.create(project=project, user=user)
    for project in leads:
        Membership.objects.create(project=project, user=user, role=Membership.Role.LEADER)
    for site in operates:
        Operatorship.objects.create(site=site, user=user)
    return user


def make_superuser(username: str | None = None) -> User:
    """Make somebody who may do everything."""
    return make_user(username, is_staff=True, is_superuser=True)


def make_project(
    slug: str | None = None, *, members: Sequence[User] = (), leaders: Sequence[User] = (), **fields: Any
) -> Project:
    """Make a project with its people."""
    slug = slug or f"project-{next(_numbers)}"
    fields.setdefault("name", slug.replace("-", " ").title())
    if "organisation" not in fields:
        fields["organisation"] = make_organisation("uni-a")
    project = Project.objects.create(slug=slug, **fields)
    for role, people in ((Membership.Role.MEMBER, members), (Membership.Role.LEADER, leaders)):
        for user in people:
            Membership.objects.create(project=project, user=user, role=role)
    return project


def make_site(
    slug: str | None = None, *, operators: Sequence[User] = (), by_operator: bool = False, **fields: Any
) -> Site:
    """Make a site; it approves by itself unless `by_operator`, and leaves to one person what one can do."""
    slug = slug or f"site-{next(_numbers)}"
    fields.setdefault("second_person", False)
    fields.setdefault("name", slug.replace("-", " ").title())
    fields.setdefault("approval", Site.Approval.OPERATOR if by_operator else Site.Approval.AUTOMATIC)
    if "organisation" not in fields:
        fields["organisation"] = make_organisation("uni-a")
    site = Site.objects.create(slug=slug, **fields)
    for user in operators:
        Operatorship.objects.create(site=site, user=user)
    return site


def make_resource(site: Site | None = None, *, parent: Resource | None = None, **fields: Any) -> Resource:
    """Make a healthy graphics card in service; `fields` make something else of it."""
    fields.setdefault("name", f"L40S {next(_numbers)}")
    fields.setdefault("kind", "gpu")
    fields.setdefault("adapter", "gpu_lxd")
    fields.setdefault("attributes", {"model": "L40S", "memory_gib": 48})
    fields.setdefault("preparation_s", 60)
    fields.setdefault("cleanup_s", 60)
    fields.setdefault("health", Resource.Health.HEALTHY)
    return Resource.objects.create(
        site=site or (parent.site if parent else make_site()), parent=parent, **fields
    )


def book_lease(
    resource: Resource | None = None,
    *,
    holder: User | None = None,
    project: Project | None = None,
    starts_at: datetime | None = None,
    hours: float = 1,
    status: Status = Status.SCHEDULED,
    **fields: Any,
) -> Lease:
    """Book one resource; the lease stands in `status`, and its events tell how it got there."""
    reservation = make_reservation(
        [resource or make_resource()],
        holder=holder,
        project=project,
        starts_at=starts_at,
        hours=hours,
        status=status,
        **fields,
    )
    return reservation.leases.select_related("resource__site", "reservation").get()


@transaction.atomic
def make_reservation(
    resources: Sequence[Resource],
    *,
    holder: User | None = None,
    project: Project | None = None,
    starts_at: datetime | None = None,
    hours: float = 1,
    status: Status = Status.SCHEDULED,
    purpose: str = "",
    **fields: Any,
) -> Reservation:
    """Book resources together, around all checks but the database's own; the leases stand in `status`.

    A lease that is, or was, on a device gets an epoch; one that is ready has its access text.
    """
    if project is None:
        project = make_project()
    if holder is None:
        holder = make_user(projects=[project])
    starts_at = starts_at or next_hour()
    ends_at = starts_at + timedelta(hours=hours)
    reservation = Reservation.objects.create(
        project=project, holder=holder, purpose=purpose, starts_at=starts_at, ends_at=ends_at
    )
    first = Status.REQUESTED if status in (Status.REQUESTED, Status.REJECTED) else Status.SCHEDULED
    leases = Lease.objects.bulk_create(
        Lease(
            reservation=reservation,
            resource=resource,
            status=first,
            starts_at=starts_at,
            ends_at=ends_at,
            preparation_s=resource.preparation_s,
            cleanup_s=resource.cleanup_s,
            next_action_at=starts_at - timedelta(seconds=resource.preparation_s),
            **fields,
        )
        for resource in resources
    )
    record_moves(
        [lease.pk for lease in leases], source="", to=first, now=starts_at, actor=holder, reason="Booked"
    )
    for lease in leases:
        walk_lease(lease, status, first=first)
    return reservation


def walk_lease(lease: Lease, status: Status, *, first: Status | None = None) -> None:
    """Bring a lease from where it began to a state, with an event for each move."""
    source = first or Status(lease.status)
    for to in _WAYS[status]:
        facts: dict[str, Any] = {}
        if to in IN_WORKER:
            facts["deadline_at"] = lease.ends_at
        if to == Status.PROVISIONING:
            facts["epoch"] = next_epoch()
        if to == Status.ACTIVE:
            facts["prepared_at"] = lease.starts_at
            facts["opened_at"] = lease.starts_at
            facts["access"] = access_text()
        moved = move(
            lease_id=lease.pk,
            source=source,
            to=to,
            now=lease.starts_at,
            reason="Walked",
            next_action_at=lease.ends_at if to in ON_DEVICE else None,
            **facts,
        )
        assert moved, f"{lease} did not move from {source} to {to}"
        source = to
    lease.refresh_from_db()


def next_epoch() -> int:
    """Return a fencing token as the engine would take it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('shary_epoch')")
        (epoch,) = cursor.fetchone()
    return int(epoch)


def access_text(secret: str = "opens-sesame") -> str:
    """Return what a site reports of the way in, as it is kept."""
    endpoint = Endpoint(
        label="Shell", protocol="ssh", host="gpu1.uni-a.example", port=22, username="root", secret=secret
    )
    return to_json(Access(instructions="Sign in with your ssh key.", endpoints=(endpoint,)))


def make_artefact(project: Project, *, uploaded_by: User | None = None, **fields: Any) -> Artefact:
    """Make a file of a project, as if its adapter had found nothing wrong with it."""
    fields.setdefault("adapter", "p4_switch")
    fields.setdefault("name", "p4info")
    fields.setdefault("filename", "forward.p4info.txtpb")
    fields.setdefault("content", f"file {next(_numbers)}".encode())
    fields.setdefault("sha256", f"{next(_numbers):064x}")
    fields.setdefault("version", next(_numbers))
    return Artefact.objects.create(
        project=project,
        uploaded_by=uploaded_by or make_user(projects=[project]),
        size=len(fields["content"]),
        **fields,
    )


def make_ssh_key(user: User, **fields: Any) -> SshKey:
    """Make a key that is never offered to a device."""
    number = next(_numbers)
    fields.setdefault("name", f"laptop {number}")
    fields.setdefault("public_key", f"ssh-ed25519 AAAA{number}")
    fields.setdefault("fingerprint", f"SHA256:{number:043d}")
    return SshKey.objects.create(user=user, **fields)


def bearer(user: User) -> Mapping[str, str]:
    """Return the headers with which a script acts for the user."""
    _, text = issue_token(user=user, name="script")
    return {"Authorization": f"Bearer {text}"}
