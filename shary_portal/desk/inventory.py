"""What the sites found, beside what the inventory says: where operators look, accept and ignore."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from adapters.catalogue import CATALOGUE
from reservations.models import Lease
from reservations.selectors.affected import MOST_NAMED, leases_affected
from resources.differences import Line
from resources.errors import CannotAsk, InventoryRefusal
from resources.findings import (
    Finding,
    findings_of,
    latest_answers,
    latest_questions,
    open_counts,
    say_failure,
)
from resources.models import Decision, Discovery, Resource, Site
from resources.naming import kind_words, propose_name, value_rows
from resources.operated import operated_sites
from resources.services import inventory
from resources.services.discovery import ask_about, ask_all, ask_behind
from shary_portal.desk.settings_form import fields_of, read_settings

DECISIONS_SHOWN = 50
TAGS = {"new": "New", "missing": "Not seen", "moved": "Moved", "changed": "Changed"}


@dataclass(slots=True, kw_only=True)
class Row:
    """A line as the page shows it."""

    finding: Finding
    key: str
    """Of the answer and of the line: what the buttons send."""
    tag: str
    values: list[tuple[str, str, str]]
    name: str = ""
    """The name that a new device will have."""
    parts: list["Row"] = field(default_factory=list)
    affected: list[Lease] = field(default_factory=list)
    problem: InventoryRefusal | None = None

    @property
    def line(self) -> Line:
        """What it says."""
        return self.finding.line

    @property
    def kind(self) -> str:
        """What sort of device it is about."""
        return kind_words(self.line.device_kind)

    @property
    def more_affected(self) -> int:
        """How many leases are not named."""
        return max(0, len(self.affected) - MOST_NAMED)

    @property
    def affected_named(self) -> list[Lease]:
        """The first leases."""
        return self.affected[:MOST_NAMED]


@dataclass(slots=True, kw_only=True)
class Group:
    """The lines of one device with its parts."""

    name: str
    rows: list[Row]
    resource: str = ""

    @property
    def keys(self) -> list[str]:
        """What ignoring everything would send."""
        return [row.key for row in self.rows]

    @property
    def found(self) -> list[str]:
        """What accepting everything would send: nothing goes out of service in one go with the rest."""
        return [row.key for row in self.rows if row.line.kind != "missing"]


@dataclass(slots=True, kw_only=True)
class Question:
    """The last question about a device, as the page shows it."""

    discovery: Discovery
    failure: str = ""


def inventory_urls(wrap: Callable[..., Any]) -> list[URLPattern]:
    """Return the pages, each behind the door of the desk."""
    return [
        path("inventory/", wrap(choose_site), name="inventory"),
        path("inventory/<slug:slug>/", wrap(site_page), name="inventory_site"),
        path("inventory/<slug:slug>/progress/", wrap(progress), name="inventory_progress"),
        path("inventory/<slug:slug>/look/", wrap(look), name="inventory_look"),
        path("inventory/<slug:slug>/new/", wrap(look_behind), name="inventory_new"),
        path("inventory/<slug:slug>/decide/", wrap(decide), name="inventory_decide"),
    ]


@require_GET
def choose_site(request: HttpRequest) -> HttpResponse:
    """Go to the site that has most to decide; who has one site goes there."""
    sites = list(operated_sites(request))
    if not sites:
        raise Http404("There is no site yet; a federation manager adds one under “Sites”.")
    counts = open_counts([site.pk for site in sites], now=timezone.now())
    chosen = max(sites, key=lambda site: counts.get(site.pk, 0))
    return redirect("admin:inventory_site", chosen.slug)


@require_GET
def site_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what differs at a site, what was asked, and what was decided."""
    return _page(request, _site(request, slug))


@require_GET
def progress(request: HttpRequest, slug: str) -> HttpResponse:
    """Return the questions that are open, for a page that waits for them."""
    site = _site(request, slug)
    questions = _questions(site, timezone.now())
    context = {"site": site, "waiting": _waiting(questions), "version": _version(questions)}
    return render(request, "admin/inventory/progress.html", context)


@require_POST
def look(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask what is there: about one device, or about all of the site."""
    site, actor, now = _site(request, slug), cast(User, request.user), timezone.now()
    chosen = request.POST.get("device", "")
    try:
        if chosen:
            resource = Resource.objects.filter(site=site, pk=_uuid(chosen)).select_related("site").first()
            if resource is None:
                raise Http404("There is no such device at this site.")
            ask_about(resource=resource, actor=actor, now=now)
        else:
            ask_all(site=site, actor=actor, now=now)
    except InventoryRefusal as refusal:
        messages.error(request, refusal.message)
    return redirect("admin:inventory_site", site.slug)


@require_http_methods(["GET", "POST"])
def look_behind(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask what is behind settings that are typed, for a device that is not in the inventory yet."""
    site = _site(request, slug)
    chosen = request.POST.get("adapter") or request.GET.get("adapter") or ""
    adapter = CATALOGUE.get(chosen)
    errors: Mapping[str, list[str]] = {}
    problem = ""
    if request.method == "POST" and adapter is not None:
        try:
            settings = read_settings(adapter, request.POST)
            ask_behind(
                site=site,
                adapter=adapter.name,
                settings=settings,
                actor=cast(User, request.user),
                now=timezone.now(),
            )
        except CannotAsk as refusal:
            errors, problem = refusal.errors, refusal.message
        else:
            return redirect("admin:inventory_site", site.slug)
    context = {
        **admin.site.each_context(request),
        "title": f"{site}: a device that is not listed yet",
        "site": site,
        "adapters": CATALOGUE.values(),
        "adapter": adapter,
        "fields": fields_of(adapter, request.POST, errors) if adapter else [],
        "problem": problem,
        "general": errors.get("", []),
    }
    return render(request, "admin/inventory/new.html", context, status=400 if problem else 200)


@require_POST
def decide(request: HttpRequest, slug: str) -> HttpResponse:
    """Accept or ignore lines, or show again what was ignored; each answer's lines in one transaction."""
    site = _site(request, slug)
    verb = next((verb for verb in ("accept", "ignore", "show") if verb in request.POST), "")
    keys = [key for value in request.POST.getlist(verb) for key in value.split()]
    if not verb or not keys:
        messages.error(request, "Nothing was chosen.")
        return redirect("admin:inventory_site", site.slug)
    names = {
        name.removeprefix("name-"): str(value)
        for name, value in request.POST.items()
        if name.startswith("name-")
    }
    try:
        done = _decide(request, site, verb, keys, names)
    except InventoryRefusal as refusal:
        return _page(request, site, refused=dict.fromkeys(keys, refusal), names=names)
    messages.success(request, _said(verb, done))
    return redirect("admin:inventory_site", site.slug)


def _decide(
    request: HttpRequest, site: Site, verb: str, keys: Sequence[str], names: Mapping[str, str]
) -> list[Decision]:
    actor, now = cast(User, request.user), timezone.now()
    by_answer: dict[UUID, list[str]] = {}
    for key in keys:
        named, _, fingerprint = key.partition(":")
        by_answer.setdefault(_uuid(named), []).append(fingerprint)
    if Discovery.objects.filter(pk__in=by_answer).exclude(site=site).exists():
        raise PermissionDenied
    done: list[Decision] = []
    for answer, lines in by_answer.items():
        if verb == "accept":
            done += inventory.accept(discovery_id=answer, fingerprints=lines, actor=actor, now=now, names=names)
        elif verb == "ignore":
            done += inventory.ignore(discovery_id=answer, fingerprints=lines, actor=actor, now=now)
        else:
            done += inventory.show_again(discovery_id=answer, fingerprints=lines, actor=actor, now=now)
    return done


def _said(verb: str, done: Sequence[Decision]) -> str:
    first = str(done[0].line.get("words", "")).rstrip(".")
    rest = f" and {len(done) - 1} more" if len(done) > 1 else ""
    return {
        "accept": f"Written into the inventory: {first}{rest}.",
        "ignore": f"Ignored until it says something else: {first}{rest}.",
        "show": f"Shown again: {first}{rest}.",
    }[verb]


def _page(
    request: HttpRequest,
    site: Site,
    *,
    refused: Mapping[str, InventoryRefusal] | None = None,
    names: Mapping[str, str] | None = None,
) -> HttpResponse:
    now = timezone.now()
    findings = findings_of(site, now=now)
    rows = _rows(site, findings, names or {}, refused or {}, now)
    groups = [
        Group(name=name, rows=list(found), resource="")
        for name, found in groupby((row for row in rows if row.finding.is_open), key=lambda row: row.line.group)
    ]
    roots = dict(Resource.objects.filter(site=site, parent__isnull=True).values_list("name", "pk"))
    for group in groups:
        group.resource = str(roots.get(group.name, ""))
    questions = _questions(site, now)
    others = [each for each in operated_sites(request) if each.pk != site.pk]
    counts = open_counts([each.pk for each in others], now=now)
    refusal = next(iter((refused or {}).values()), None)
    shown = {row.key for row in rows}
    context = {
        **admin.site.each_context(request),
        "title": f"Inventory of {site}",
        "site": site,
        "sites": [(each, counts.get(each.pk, 0)) for each in others],
        "groups": groups,
        "ignored": [row for row in rows if not row.finding.is_open],
        "questions": questions,
        "waiting": _waiting(questions),
        "failed": [question for question in questions if question.failure],
        "never_asked": _never_asked(site, questions),
        "last_found_at": max(
            (each.found_at for each in latest_answers([site.pk], now=now) if each.found_at), default=None
        ),
        "version": _version(questions),
        # What is not shown any more has no line of its own to say it at.
        "refusal": refusal if refusal and not shown & set(refused or {}) else None,
        "decisions": Decision.objects.filter(site=site).select_related("by", "resource__site")[
            :DECISIONS_SHOWN
        ],
        "now": now,
    }
    return render(request, "admin/inventory/site.html", context, status=409 if refused else 200)


def _rows(
    site: Site,
    findings: Sequence[Finding],
    names: Mapping[str, str],
    refused: Mapping[str, InventoryRefusal],
    now: datetime,
) -> list[Row]:
    taken = set(Resource.objects.filter(site=site).values_list("name", flat=True))
    gone = [UUID(each.line.resource) for each in findings if each.line.kind == "missing"]
    affected = leases_affected(gone, now=now)
    wholes = Resource.objects.in_bulk({UUID(each.line.whole) for each in findings if each.line.whole})
    by_line: dict[str, Row] = {}
    rows: list[Row] = []
    for finding in findings:
        line = finding.line
        key = f"{finding.discovery.pk}:{line.fingerprint}"
        row = Row(
            finding=finding,
            key=key,
            tag="Now known" if line.is_learned else TAGS[line.kind],
            values=value_rows(line.changes),
            affected=affected.get(UUID(line.resource), []) if line.kind == "missing" else [],
            problem=refused.get(key),
        )
        if line.found is not None:
            above = by_line.get(line.under)
            whole = wholes.get(UUID(line.whole)) if line.whole else None
            if whole is None and above is not None:
                whole = Resource(name=above.name)
            row.name = names.get(line.fingerprint) or propose_name(line.found, whole, taken)
            taken.add(row.name)
        by_line[line.fingerprint] = row
        if line.under in by_line:
            by_line[line.under].parts.append(row)
        else:
            rows.append(row)
    return rows


def _questions(site: Site, now: datetime) -> list[Question]:
    latest = latest_questions([site.pk]).select_related("site", "resource", "asked_by")
    shown = [
        Question(discovery=each, failure=say_failure(each, now=now) if each.error else "") for each in latest
    ]
    return sorted(shown, key=lambda q: q.discovery.resource.name if q.discovery.resource else "")


def _never_asked(site: Site, questions: Sequence[Question]) -> list[Resource]:
    asked = {question.discovery.resource_id for question in questions}
    wholes = Resource.objects.filter(
        site=site, parent__isnull=True, in_service=True, adapter__in=list(CATALOGUE)
    )
    return list(wholes.exclude(pk__in=[key for key in asked if key]).order_by("name"))


def _waiting(questions: Sequence[Question]) -> list[Discovery]:
    return [question.discovery for question in questions if question.discovery.is_waiting]


def _version(questions: Sequence[Question]) -> str:
    """Return what changes with each answer."""
    over = [q.discovery for q in questions if not q.discovery.is_waiting]
    return "-".join(sorted(f"{each.pk.hex[:8]}{each.answered_at or each.give_up_at:%H%M%S}" for each in over))


def _site(request: HttpRequest, slug: str) -> Site:
    site = operated_sites(request).filter(slug=slug).first()
    if site is None:
        raise Http404("There is no such site, or you do not operate it.")
    return site


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Http404("This is no identifier.") from error


def inventory_page_of(site: Site) -> str:
    """Return the address of the page of a site."""
    return reverse("admin:inventory_site", args=[site.slug])
