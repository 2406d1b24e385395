"""Having a site make device files from source: asked until it is answered, and given up in words."""

from datetime import datetime
from uuid import UUID

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from adapters.catalogue import CATALOGUE
from adapters.contract import Artefact as GivenFile
from adapters.contract.wire import Order, Report, seal
from reservations.models import Artefact, Build
from reservations.policy import ERRAND_MOST_ATTEMPTS
from reservations.services.engine.orders import HUB, TAKE_ORDERS, hub_key, targets_for
from reservations.services.engine.rehearsals import pause_after
from reservations.services.versions import keep_version
from resources.models import Site

log = structlog.get_logger(__name__)

AT_ONCE = 20
NO_ANSWER = "The site has not answered. Compile the program yourself and upload the files, or try another site."


def send_builds(*, now: datetime) -> int:
    """Send the orders that are due, and again those that were not answered; return how many went out."""
    if not Build.objects.filter(next_try_at__lte=now).exists():
        return 0
    sent = 0
    with transaction.atomic():
        due = (
            Build.objects.select_related("source", "resource__site")
            .select_for_update(of=("self",), no_key=True, skip_locked=True)
            .filter(next_try_at__lte=now)
            .order_by("next_try_at")[:AT_ONCE]
        )
        for build in due:
            if build.attempts >= ERRAND_MOST_ATTEMPTS:
                build.state, build.detail, build.next_try_at = Build.State.FAILED, NO_ANSWER, None
            elif not _send(build):
                break
            else:
                build.next_try_at = now + pause_after(build.attempts)
                build.attempts += 1
                sent += 1
            build.save(update_fields=["attempts", "next_try_at", "state", "detail"])
    return sent


def take_built(report: Report, *, site: Site, now: datetime) -> None:
    """Keep the files that a site made, as new versions; the same answer again changes nothing."""
    build = _build_of(str(report.detail.get("order", "")), site)
    if build is None or build.state == Build.State.DONE:
        log.info("build.of_the_past", order=report.detail.get("order"))
        return
    if report.failure is not None:
        build.state, build.detail = Build.State.FAILED, report.failure.message
        build.answered_at, build.next_try_at = now, None
        build.save()
        return
    description = CATALOGUE[build.source.adapter]
    slots = {slot.name: slot for slot in description.artefacts}
    given = [file for file in report.files if file.name in slots]
    said = next((file for file in report.files if file.name not in slots), None)
    # Outside the transaction: it takes seconds, and holds nothing.
    problems = description.check_parameters({}, given)
    with transaction.atomic():
        locked = Build.objects.select_for_update(no_key=True).get(pk=build.pk)
        if locked.state == Build.State.DONE:
            return
        locked.answered_at, locked.next_try_at = now, None
        if problems or not given:
            words = " ".join(problem.message for problem in problems) or "The site sent no files."
            locked.state, locked.detail = Build.State.FAILED, words
            locked.save()
            return
        locked.state = Build.State.DONE
        locked.detail = said.content.decode(errors="replace")[:4000] if said else ""
        locked.save()
        source, maker = build.source, said.filename if said else "the compiler"
        provenance = f"Compiled from {source.filename}, version {source.version}, by {maker} at {site.name}"
        locked.made.set([_keep(file, build, provenance) for file in given])


def _keep(file: GivenFile, build: Build, provenance: str) -> Artefact:
    return keep_version(
        project=build.source.project,
        user=build.requested_by,
        adapter=build.source.adapter,
        name=file.name,
        filename=file.filename,
        content=file.content,
        provenance=provenance,
        facts=CATALOGUE[build.source.adapter].describe_artefact(file),
    )


def _build_of(order: str, site: Site) -> Build | None:
    try:
        key = UUID(order)
    except ValueError:
        return None
    return (
        Build.objects.select_related("source__project", "requested_by")
        .filter(pk=key, resource__site=site)
        .first()
    )


def _send(build: Build) -> bool:
    source, site = build.source, build.resource.site
    file = GivenFile(
        name=source.name, filename=source.filename, sha256=source.sha256, content=bytes(source.content)
    )
    order = Order(
        id=str(build.pk),
        site=site.slug,
        verb="build",
        targets=tuple(targets_for([build.resource])),
        files=(file,),
    )
    try:
        sealed = seal(order, key=hub_key(), sender=HUB)
        current_app.send_task(TAKE_ORDERS, args=[[sealed]], queue=site.queue, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("build.not_sent", error=str(error))
        return False
    return True
