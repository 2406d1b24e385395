"""Files for devices: checked when they come, so that nobody finds the typo when the slot begins."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.rules import Role, roles_in
from adapters.catalogue import CATALOGUE
from adapters.contract import AdapterDescription, ArtefactSlot, Json
from adapters.contract import Artefact as GivenFile
from reservations.errors import IllegalMove, Invalid, NotAllowed, NotFound
from reservations.models import Artefact, Build, Lease
from reservations.rules import FILE
from reservations.selectors.visibility import may_change, visible_artefacts, visible_leases
from reservations.services.booking import project_to_charge
from reservations.services.engine.doorbell import ring_after_commit
from reservations.services.engine.rehearsals import NOT_STARTED, plan_rehearsals
from reservations.services.versions import keep_version
from reservations.states import HOLDING
from resources.models import Resource


def accept_artefact(
    *,
    user: User,
    project: str,
    adapter: str,
    name: str,
    filename: str,
    content: bytes | Iterable[bytes],
) -> Artefact:
    """Keep a file for a project's devices, if its adapter finds nothing wrong with it.

    The same content again gives the same row; other content under the same name is its next version.
    Content that comes in pieces is read no further than the slot allows. Raises `Invalid` with what is
    wrong, in words.
    """
    owner = project_to_charge(user, project)
    description = CATALOGUE.get(adapter)
    if description is None:
        raise Invalid({"adapter": [f"There is no adapter “{adapter}”; one of {', '.join(sorted(CATALOGUE))}."]})
    slot = _slot_of(description, name)
    content = _read(content, slot)
    facts: Json = {}
    if slot is not description.source:
        digest = hashlib.sha256(content).hexdigest()
        file = GivenFile(name=name, filename=filename, sha256=digest, content=content)
        # Its companions come by themselves; that they fit together is checked when they are booked with.
        problems = [problem for problem in description.check_artefacts({}, [file]) if problem.field == name]
        if problems:
            raise Invalid({"file": [f"{filename}: {problem.message}" for problem in problems]})
        facts = description.describe_artefact(file)
    elif b"\0" in content:
        raise Invalid({"file": [f"{filename} is no text: upload source, not a compiled program."]})
    return keep_version(
        project=owner,
        user=user,
        adapter=adapter,
        name=name,
        filename=filename,
        content=content,
        facts=facts,
    )


def delete_artefact(*, artefact_id: UUID, actor: User) -> None:
    """Remove a file that no lease needs any more; for who uploaded it, and the leaders of its project."""
    with transaction.atomic():
        artefact = (
            visible_artefacts(actor)
            .select_related("project")
            .defer("content")
            .select_for_update(of=("self",))
            .filter(pk=artefact_id)
            .first()
        )
        if artefact is None:
            raise NotFound("There is no such file, or it is not yours to see.")
        roles = roles_in(actor, artefact.project_id)
        if artefact.uploaded_by_id == actor.pk:
            roles |= {Role.SELF}
        if not roles & FILE["delete"]:
            raise NotAllowed(
                f"Only who uploaded it and the leaders of {artefact.project} can delete {artefact.filename}."
            )
        lease = (
            artefact.lease_set.select_related("resource")
            .filter(status__in=HOLDING)
            .order_by("starts_at")
            .first()
        )
        if lease is not None:
            raise IllegalMove(
                f"{artefact.filename} is booked with: {lease}. Give that lease another file, or wait until it is over."
            )
        artefact.delete()


def replace_files(*, lease_id: UUID, files: Mapping[str, UUID], actor: User, now: datetime) -> Lease:
    """Give a lease that has not started other files; slots that are not named keep theirs.

    They are checked like those of a booking, and tried again before the start.
    """
    lease = visible_leases(actor).select_related("reservation__project").filter(pk=lease_id).first()
    if lease is None:
        raise NotFound("There is no such lease, or it is not yours to see.")
    if not may_change(actor, lease.reservation):
        raise NotAllowed(
            f"Only its holder and the leaders of {lease.reservation.project} can change the files of the lease."
        )
    if not files:
        raise Invalid({"artefacts": ["Name at least one file."]})
    with transaction.atomic():
        lease = (
            Lease.objects.select_related("resource__site", "reservation__project")
            .select_for_update(of=("self",), no_key=True)
            .get(pk=lease_id)
        )
        if lease.status not in NOT_STARTED:
            raise IllegalMove(
                "It has started, and the device is prepared with the files it had; push another program by P4Runtime."
                if lease.resource.kind == "p4_switch"
                else "It has started, and the device is prepared with the files it had."
            )
        chosen = {artefact.name: artefact for artefact in lease.artefacts.all()}
        chosen |= _of_project(lease, files)
        description = CATALOGUE[lease.resource.adapter]
        given = [
            GivenFile(name=f.name, filename=f.filename, sha256=f.sha256, content=bytes(f.content))
            for f in chosen.values()
        ]
        errors: dict[str, list[str]] = {}
        for problem in description.check_parameters(lease.parameters, given):
            errors.setdefault(f"artefacts.{problem.field}", []).append(problem.message)
        if errors:
            raise Invalid(errors)
        lease.artefacts.set(chosen.values())
        plan_rehearsals([lease], now=now)
    return lease


def ask_for_build(*, source_id: UUID, resource_id: UUID, actor: User, now: datetime) -> Build:
    """Have the site of a device make its files from source; asked twice while it runs, it is one build."""
    source = visible_artefacts(actor).select_related("project").filter(pk=source_id).first()
    if source is None:
        raise NotFound("There is no such file, or it is not yours to see.")
    description = CATALOGUE.get(source.adapter)
    if description is None or description.source is None or description.source.name != source.name:
        raise Invalid({"source": [f"{source.filename} is no source; it needs no compiler."]})
    resource = Resource.objects.select_related("site").filter(pk=resource_id, adapter=source.adapter).first()
    if resource is None or not resource.in_service:
        raise Invalid({"resource": [f"Choose a device that is driven by {description.title} and in service."]})
    with transaction.atomic():
        # Two clicks at once: the second waits here and finds the first.
        Artefact.objects.select_for_update(no_key=True).only("pk").get(pk=source.pk)
        waiting = Build.objects.filter(source=source, resource=resource, state=Build.State.WAITING).first()
        if waiting is not None:
            return waiting
        build = Build.objects.create(
            source=source, resource=resource, requested_by=actor, asked_at=now, next_try_at=now
        )
        ring_after_commit()
    return build


def _slot_of(description: AdapterDescription, name: str) -> ArtefactSlot:
    slots = [*description.artefacts, *([description.source] if description.source else [])]
    slot = next((slot for slot in slots if slot.name == name), None)
    if slot is None:
        known = ", ".join(slot.name for slot in slots) or "no files at all"
        raise Invalid({"name": [f"{description.title} takes {known}, not “{name}”."]})
    return slot


def _read(content: bytes | Iterable[bytes], slot: ArtefactSlot) -> bytes:
    pieces, size = [], 0
    for piece in [content] if isinstance(content, bytes) else content:
        size += len(piece)
        if size > slot.max_bytes:
            raise Invalid({"file": [f"{slot.title} may have {slot.max_bytes // 1024} KiB at most."]})
        pieces.append(piece)
    if not size:
        raise Invalid({"file": [f"{slot.title} is empty; choose another file."]})
    return b"".join(pieces)


def _of_project(lease: Lease, files: Mapping[str, UUID]) -> dict[str, Artefact]:
    project, adapter = lease.reservation.project_id, lease.resource.adapter
    known = {each.pk: each for each in Artefact.objects.filter(pk__in=files.values(), project=project)}
    chosen, errors = {}, {}
    for name, key in files.items():
        artefact = known.get(key)
        if artefact is None or artefact.name != name or artefact.adapter != adapter:
            errors[f"artefacts.{name}"] = [
                f"The project has no such file for {lease.resource.name}; upload it first."
            ]
        else:
            chosen[name] = artefact
    if errors:
        raise Invalid(errors)
    return chosen
