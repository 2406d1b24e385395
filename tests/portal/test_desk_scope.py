"""Every address of the desk, as the operator of another site: there is nothing of ours."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts.models import User
from interop.feeds import issue_feed
from reservations.models import Countersign, GeometryChange, MaintenancePlan, OutgoingMail, Proof
from reservations.states import Status
from resources.models import Cable, MaintenanceWindow, Site
from tests.factories import book_lease, make_resource, make_site, make_user, next_hour

SECRET = "Quokka"


@pytest.fixture
def ours(db: None) -> dict[str, Any]:
    """One of everything at a site whose every name holds the same rare word."""
    site = make_site("quokka", name=f"{SECRET} site", second_person=True)
    operator = make_user("quokka-operator", operates=[site], first_name=SECRET)
    device = make_resource(site, name=f"{SECRET} card", health="unhealthy", health_detail=f"{SECRET} heat")
    other = make_resource(site, name=f"{SECRET} switch")
    holder = make_user("quokka-holder", first_name=SECRET)
    lease = book_lease(
        device,
        holder=holder,
        status=Status.RELEASE_FAILED,
        starts_at=next_hour() - timedelta(hours=4),
        purpose=f"{SECRET} purpose",
    )
    now = timezone.now()
    window = MaintenanceWindow.objects.create(
        resource=other, starts_at=next_hour(after_h=50), ends_at=next_hour(after_h=51), reason=SECRET
    )
    feed, _ = issue_feed(site=site, name=SECRET, networks=(), with_secret=True, actor=operator)
    return {
        "site": site,
        "resource": device,
        "lease": lease,
        "reservation": lease.reservation,
        "leaseevent": lease.events.first(),
        "maintenancewindow": window,
        "cable": Cable.objects.create(a=device, a_port="eth0", b=other, b_port="1/0"),
        "reservationfeed": feed,
        "proof": Proof.objects.create(
            lease=lease,
            resource=device,
            epoch=1,
            is_clean=False,
            checks=[],
            verified_at=now,
            verifier=SECRET,
            digest="0" * 64,
        ),
        "geometrychange": GeometryChange.objects.create(
            resource=other,
            starts_at=next_hour(after_h=60),
            deadline_at=next_hour(after_h=61),
            next_action_at=next_hour(after_h=60),
            requested_by=operator,
        ),
        "plan": MaintenancePlan.objects.create(
            site=site,
            starts_at=next_hour(after_h=70),
            ends_at=next_hour(after_h=71),
            reason=SECRET,
            state="waiting",
            planned_by=operator,
            planned_at=now,
        ),
        "wish": Countersign.objects.create(
            lease=lease,
            verb="vouch",
            reason=SECRET,
            asked_by=operator,
            asked_at=now,
            expires_at=now + timedelta(hours=9),
        ),
        "mail": OutgoingMail.objects.create(
            dedupe_key=f"lease:{lease.pk}:x:1", to=operator, subject=SECRET, body=SECRET, attempts=3
        ),
    }


@pytest.fixture
def stranger(ours: dict[str, Any]) -> Client:
    """The operator of another site, with a device of its own."""
    site = make_site("elsewhere")
    make_resource(site)
    client = Client()
    client.force_login(make_user("stranger", operates=[site]))
    return client


def patterns(found: Any, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for each in found:
        if isinstance(each, URLResolver):
            yield from patterns(each.url_patterns, before + str(each.pattern))
        else:
            yield before + str(each.pattern), each


def addresses(ours: dict[str, Any]) -> Iterator[str]:
    """Return every address of the desk, filled in with what is ours."""
    whole = next(each for each in get_resolver().url_patterns if getattr(each, "namespace", "") == "admin")
    values = {
        "slug": "quokka",
        "resource_id": ours["resource"].pk,
        "plan_id": ours["plan"].pk,
        "wish_id": ours["wish"].pk,
        "mail_id": ours["mail"].pk,
        "form": "csv",
        "url": "reservations/lease/",
        "content_type_id": 1,
        "app_label": "resources",
    }
    for route, pattern in patterns(whole.url_patterns):  # type: ignore[union-attr]
        wanted = set(pattern.pattern.converters) | set(pattern.pattern.regex.groupindex)
        name = pattern.name or ""
        model = next((key for key in ours if f"_{key}_" in f"_{name}_"), None)
        filled = {}
        for argument in wanted:
            if argument in values:
                filled[argument] = values[argument]
            elif argument in ("object_id", "row_id", "id") and model:
                filled[argument] = ours[model].pk
        if set(filled) == wanted:
            yield reverse(f"admin:{name}", kwargs=filled) if name else f"/admin/{route}"


def test_no_address_shows_or_changes_anything_of_another_site(stranger: Client, ours: dict[str, Any]) -> None:
    before = {key: type(row).objects.filter(pk=row.pk).values().get() for key, row in ours.items()}
    walked = sorted(set(addresses(ours)))
    named = {address.split("/")[2] for address in walked}
    assert {
        "devices",
        "maintenance",
        "policy",
        "inventory",
        "wishes",
        "mail",
        "reservations",
        "resources",
    } <= named
    assert len(walked) > 60
    for address in walked:
        if address.startswith(("/admin/logout", "/admin/login")):
            continue
        pressed = {"confirmed": "yes", "reason": "x", "post": "yes"}
        for answer in (stranger.get(address), stranger.post(address, pressed)):
            assert answer.status_code in (200, 302, 403, 404, 405), (address, answer.status_code)
            if answer.status_code == 200 and not answer.streaming:
                assert SECRET not in answer.content.decode(), address
    after = {key: type(row).objects.filter(pk=row.pk).values().get() for key, row in ours.items()}
    assert after == before


def test_the_same_walk_as_our_own_operator_finds_us(ours: dict[str, Any]) -> None:
    client = Client()
    client.force_login(User.objects.get(username="quokka-operator"))
    seen = [
        address
        for address in sorted(set(addresses(ours)))
        if not address.startswith(("/admin/logout", "/admin/login"))
        and (answer := client.get(address)).status_code == 200
        and SECRET in answer.content.decode()
    ]
    assert len(seen) > 25, seen


def test_completion_offers_nothing_of_another_site(stranger: Client, ours: dict[str, Any]) -> None:
    offered = 0
    for model, model_admin in admin.site._registry.items():
        for field in model_admin.autocomplete_fields:
            asked = {
                "app_label": model._meta.app_label,
                "model_name": model._meta.model_name or "",
                "field_name": str(field),
                "term": SECRET,
            }
            answer = stranger.get(reverse("admin:autocomplete"), asked)
            offered += 1
            assert answer.status_code in (200, 403)
            if answer.status_code == 200:
                assert answer.json()["results"] == [], asked
    assert offered


def test_actions_on_chosen_rows_of_another_site_do_nothing(stranger: Client, ours: dict[str, Any]) -> None:
    for model, model_admin in admin.site._registry.items():
        key = str(model._meta.model_name)
        if key not in ours:
            continue
        request: Any = stranger.get("/admin/").wsgi_request
        page = reverse(f"admin:{model._meta.app_label}_{key}_changelist")
        for action in model_admin.get_actions(request):
            chosen = {
                "action": action,
                "_selected_action": [ours[key].pk],
                "confirmed": "yes",
                "reason": "x",
                "post": "yes",
            }
            answer = stranger.post(page, chosen, follow=True)
            assert SECRET not in answer.content.decode(), (page, action)
    ours["lease"].refresh_from_db()
    ours["resource"].refresh_from_db()
    assert ours["lease"].status == Status.RELEASE_FAILED
    assert ours["resource"].in_service
    assert Site.objects.filter(slug="quokka").exists()
