"""Asking a site what stands behind its settings, and taking its answer."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q

from accounts.models import User
from adapters.catalogue import CATALOGUE
from adapters.contract.wire import Report, to_json
from resources.errors import CannotAsk, NotTheirSite
from resources.models import Discovery, Resource, Site
from resources.rules import may_operate

log = structlog.get_logger(__name__)

PATIENCE = timedelta(minutes=5)
"""How long an answer is waited for; a search itself takes a minute at most."""
SEND_AGAIN_AFTER = timedelta(seconds=30)
ASK_EVERY = timedelta(days=1)
ASK_AT_ONCE = 2
"""Of each site in one round: searches by itself must not crowd out what people wait for."""
KEEP = timedelta(days=60)
SILENT = "Silent"


def ask_about(*, resource: Resource, actor: User | None, now: datetime) -> Discovery:
    """Ask what is found behind the settings of a whole device; a question that is open is not asked twice.

    `actor` is None when the portal asks by itself.
    """
    if actor is not None:
        _refuse_strangers(actor, resource.site)
    if resource.parent_id is not None:
        raise CannotAsk(f"{resource} is a part: look for devices on its whole, “{resource.parent}”.")
    if resource.adapter not in CATALOGUE:
        raise CannotAsk(f"The portal does not know the adapter of {resource}; choose another on its page.")
    _refuse_without_key(resource.site)
    try:
        with transaction.atomic():
            return Discovery.objects.create(
                site=resource.site,
                resource=resource,
                adapter=resource.adapter,
                settings=resource.settings,
                asked_by=actor,
                asked_at=now,
                next_try_at=now,
                give_up_at=now + PATIENCE,
            )
    except IntegrityError:
        # It is open, or was a moment ago: its answer is the answer to this question, too.
        return Discovery.objects.filter(resource=resource).latest("asked_at")


def ask_all(*, site: Site, actor: User, now: datetime) -> list[Discovery]:
    """Ask about each whole device of a site."""
    _refuse_strangers(actor, site)
    _refuse_without_key(site)
    wholes = wholes_to_ask().filter(site=site).select_related("site").order_by("name")
    if not wholes:
        raise CannotAsk(
            f"{site} has no device in service to look behind. Type the settings of the first one instead."
        )
    return [ask_about(resource=whole, actor=actor, now=now) for whole in wholes]


def ask_behind(
    *, site: Site, adapter: str, settings: Mapping[str, Any], actor: User, now: datetime
) -> Discovery:
    """Ask what is found behind settings that no device of the inventory has yet."""
    _refuse_strangers(actor, site)
    _refuse_without_key(site)
    description = CATALOGUE.get(adapter)
    if description is None:
        raise CannotAsk("Choose an adapter.", {"adapter": ["The portal does not know this adapter."]})
    problems = description.check_settings(settings)
    if problems:
        raise CannotAsk("These settings cannot work.", errors_of(problems))
    known = next(
        (
            each
            for each in Resource.objects.filter(site=site, parent__isnull=True, adapter=adapter)
            if all(each.settings.get(name) == value for name, value in settings.items())
        ),
        None,
    )
    if known is not None:
        return ask_about(resource=known, actor=actor, now=now)
    return Discovery.objects.create(
        site=site,
        adapter=adapter,
        settings=dict(settings),
        asked_by=actor,
        asked_at=now,
        next_try_at=now,
        give_up_at=now + PATIENCE,
    )


def ask_what_is_due(*, now: datetime) -> int:
    """Ask about each whole device that nobody asked about for a day; return how many questions came of it."""
    lately = Discovery.objects.filter(resource=OuterRef("pk"), asked_at__gte=now - ASK_EVERY)
    due = (
        wholes_to_ask()
        .exclude(site__public_key="")
        .filter(~Exists(lately))
        .select_related("site")
        .order_by("site_id", "name")
    )
    asked: dict[int, int] = {}
    for whole in due[:1000]:
        if asked.get(whole.site_id, 0) < ASK_AT_ONCE:
            ask_about(resource=whole, actor=None, now=now)
            asked[whole.site_id] = asked.get(whole.site_id, 0) + 1
    return sum(asked.values())


def wholes_to_ask() -> Any:
    """Return the whole devices in service whose adapter can look for devices."""
    return Resource.objects.filter(parent__isnull=True, in_service=True, adapter__in=CATALOGUE)


def take_answer(report: Report, *, site: Site, now: datetime) -> Discovery | None:
    """Keep what a site found; a late or repeated answer, or one to nobody's question, changes nothing.

    An answer that comes after the question was given up is still an answer.
    """
    try:
        key = UUID(str(report.detail.get("order")))
    except ValueError:
        log.info("answer.to_no_question", site=site.slug)
        return None
    with transaction.atomic():
        discovery = (
            Discovery.objects.select_for_update(no_key=True)
            .filter(Q(error="", answered_at__isnull=True) | Q(error=SILENT), pk=key, site=site)
            .first()
        )
        if discovery is None:
            log.info("answer.of_the_past", site=site.slug, discovery=str(key))
            return None
        failure = report.failure
        discovery.answered_at = now
        discovery.found_at = report.at
        discovery.next_try_at = None
        discovery.devices = [json.loads(to_json(device)) for device in report.devices]
        discovery.error = failure.error if failure else ""
        discovery.failure = failure.message if failure else ""
        discovery.save()
    return discovery


def give_up_unanswered(*, now: datetime) -> int:
    """Say of questions that nobody answered in time that nobody did."""
    given_up = 0
    overdue = Discovery.objects.filter(next_try_at__isnull=False, give_up_at__lte=now).select_related("site")
    for discovery in overdue:
        given_up += Discovery.objects.filter(pk=discovery.pk, next_try_at__isnull=False).update(
            next_try_at=None, error=SILENT, failure=_why_silent(discovery, now)
        )
    return given_up


def forget_old(*, now: datetime) -> None:
    """Drop answers that newer ones have replaced long ago; what was decided on them is kept."""
    newer = Discovery.objects.filter(
        site=OuterRef("site"), resource=OuterRef("resource"), asked_at__gt=OuterRef("asked_at")
    )
    old = Discovery.objects.filter(asked_at__lt=now - KEEP, next_try_at__isnull=True)
    old.filter(Exists(newer) | Q(resource__isnull=True)).delete()


def errors_of(problems: Sequence[Any]) -> dict[str, list[str]]:
    """Return problems by field."""
    errors: dict[str, list[str]] = {}
    for problem in problems:
        errors.setdefault(problem.field, []).append(problem.message.removeprefix("Value error, "))
    return errors


def _why_silent(discovery: Discovery, now: datetime) -> str:
    minutes = int((now - discovery.asked_at).total_seconds()) // 60
    return f"No answer came for {minutes} minutes."


def _refuse_strangers(actor: User, site: Site) -> None:
    if not may_operate(actor, site):
        raise NotTheirSite(f"Only an operator of {site} can do this.")


def _refuse_without_key(site: Site) -> None:
    if not site.public_key:
        raise CannotAsk(
            f"{site} has no public key yet, so nothing it says could be believed. Enter the key that its"
            " worker prints on the site's page; then ask again."
        )
