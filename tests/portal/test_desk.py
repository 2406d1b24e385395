"""Who sees what at the operators' desk: every registered model, for everybody who could come."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import IdentityProvider, Organisation, Project, SshKey, User
from interop.feeds import issue_feed
from interop.models import ReservationFeed
from reservations.models import (
    GeometryChange,
    Lease,
    LeaseEvent,
    OutgoingMail,
    OutgoingOrder,
    Proof,
    Reservation,
)
from reservations.states import Status
from resources.models import Cable, MaintenanceWindow, ModelSpeed, Operatorship, Price, Resource, Site
from tests.factories import (
    book_lease,
    make_organisation,
    make_resource,
    make_site,
    make_ssh_key,
    make_superuser,
    make_user,
    next_hour,
)

OPERATED = (
    Site,
    Cable,
    Resource,
    MaintenanceWindow,
    Lease,
    Reservation,
    LeaseEvent,
    Proof,
    GeometryChange,
    ReservationFeed,
    Price,
)
MANAGED = (User, Project, Organisation, SshKey, IdentityProvider, OutgoingMail, ModelSpeed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Federation:
    """Two sites, each with an operator, a device, a lease and all that comes with it."""

    operator_a: User
    operator_b: User
    manager: User
    nobody: User
    rows_a: dict[type, Any]
    rows_b: dict[type, Any]


def make_rows(slug: str) -> tuple[User, dict[type, Any]]:
    site = make_site(slug, name=f"Site {slug}")
    operator = make_user(f"operator-{slug}", operates=[site])
    resource = make_resource(site, name=f"Card of {slug}")
    lease = book_lease(resource, status=Status.RELEASE_FAILED, starts_at=next_hour() - timedelta(hours=4))
    window = MaintenanceWindow.objects.create(
        resource=resource,
        starts_at=next_hour(after_h=90),
        ends_at=next_hour(after_h=91),
        reason=f"Fan of {slug}",
    )
    proof = Proof.objects.create(
        lease=lease,
        resource=resource,
        epoch=lease.epoch,
        is_clean=False,
        checks=[{"name": "memory", "expected": "empty", "found": "full", "passed": False, "method": "nvml"}],
        verified_at=timezone.now(),
        verifier=f"worker of {slug}",
        digest=slug * 8,
    )
    OutgoingOrder.objects.create(lease=lease, site=site, verb="release")
    cut = GeometryChange.objects.create(
        resource=resource,
        starts_at=window.ends_at,
        deadline_at=window.ends_at,
        next_action_at=window.ends_at,
        requested_by=operator,
    )
    feed, _ = issue_feed(site=site, name=f"Cron of {slug}", networks=(), with_secret=True, actor=operator)
    other = make_resource(site, name=f"Switch of {slug}")
    rows = {
        Cable: Cable.objects.create(a=resource, a_port="eth0", b=other, b_port="1/0"),
        Site: site,
        Resource: resource,
        MaintenanceWindow: window,
        Lease: lease,
        Reservation: lease.reservation,
        LeaseEvent: lease.events.first(),
        Proof: proof,
        GeometryChange: cut,
        ReservationFeed: feed,
        Price: Price.objects.create(
            site=site, kind="gpu", credits_per_hour=1, valid_from=timezone.now() + timedelta(days=1)
        ),
        ModelSpeed: ModelSpeed.objects.create(kind="gpu", model=slug, factor=1, source="A data sheet"),
        IdentityProvider: IdentityProvider.objects.create(
            slug=f"idp-{slug}",
            name=f"University {slug}",
            issuer=f"https://idp.{slug}.example",
            client_id=slug,
            organisation=make_organisation(f"university-{slug}"),
        ),
        User: lease.reservation.holder,
        Project: lease.reservation.project,
        Organisation: make_organisation(f"home-{slug}"),
        SshKey: make_ssh_key(lease.reservation.holder),
        OutgoingMail: OutgoingMail.objects.create(dedupe_key=slug, to=operator, subject=f"News of {slug}"),
    }
    return operator, rows


@pytest.fixture
def federation(db: None) -> Federation:
    operator_a, rows_a = make_rows("aa")
    operator_b, rows_b = make_rows("bb")
    return Federation(
        operator_a=operator_a,
        operator_b=operator_b,
        manager=make_superuser(),
        nobody=make_user(is_staff=True),
        rows_a=rows_a,
        rows_b=rows_b,
    )


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(model: type, name: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)  # type: ignore[attr-defined]


def shown(client: Client, model: type) -> set[Any]:
    """Return the keys of the rows in the list of a model."""
    return {row.pk for row in client.get(page(model, "changelist")).context["cl"].result_list}


def test_nothing_is_registered_that_the_matrix_does_not_try():
    assert set(admin.site._registry) == {*OPERATED, *MANAGED}


@pytest.mark.parametrize("model", OPERATED, ids=lambda model: model.__name__)
def test_an_operator_sees_the_rows_of_their_site_and_no_others(federation: Federation, model: type):
    for operator, theirs, others in (
        (federation.operator_a, federation.rows_a, federation.rows_b),
        (federation.operator_b, federation.rows_b, federation.rows_a),
    ):
        client = signed_in(operator)
        keys = shown(client, model)
        assert theirs[model].pk in keys
        assert others[model].pk not in keys
        for name in ("change", "history"):
            assert client.get(page(model, name, theirs[model].pk)).status_code == 200
            assert client.get(page(model, name, others[model].pk)).status_code == 302, name
        assert client.get(page(model, "delete", others[model].pk)).status_code in (302, 403)
        assert client.post(page(model, "delete", others[model].pk), {"post": "yes"}).status_code in (302, 403)
        assert model.objects.filter(pk=others[model].pk).exists()  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", OPERATED, ids=lambda model: model.__name__)
def test_nothing_of_another_site_is_named_on_an_operators_pages(federation: Federation, model: type):
    client = signed_in(federation.operator_a)
    for address in (page(model, "changelist"), page(model, "change", federation.rows_a[model].pk)):
        text = client.get(address).content.decode()
        assert "aa" in text
        assert "Site bb" not in text
        assert "Card of bb" not in text


@pytest.mark.parametrize("model", MANAGED, ids=lambda model: model.__name__)
def test_people_and_projects_are_for_federation_managers(federation: Federation, model: type):
    operator, manager = signed_in(federation.operator_a), signed_in(federation.manager)
    # Rights that somebody ticked in Django's own table must not open anything.
    permissions = Permission.objects.filter(
        content_type__app_label__in=["accounts", "resources", "reservations", "interop"]
    )
    federation.operator_a.user_permissions.set(permissions)
    for name, args in (("changelist", ()), ("change", (federation.rows_a[model].pk,))):
        assert operator.get(page(model, name, *args)).status_code == 403
        assert manager.get(page(model, name, *args)).status_code == 200
    assert operator.post(page(model, "delete", federation.rows_a[model].pk), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("model", OPERATED + MANAGED, ids=lambda model: model.__name__)
def test_a_federation_manager_sees_all_rows(federation: Federation, model: type):
    client = signed_in(federation.manager)
    assert {federation.rows_a[model].pk, federation.rows_b[model].pk} <= shown(client, model)
    for rows in (federation.rows_a, federation.rows_b):
        assert client.get(page(model, "change", rows[model].pk)).status_code == 200


@pytest.mark.parametrize("model", OPERATED + MANAGED, ids=lambda model: model.__name__)
def test_nobody_else_gets_in_whatever_their_flags(federation: Federation, model: type):
    everything = Permission.objects.all()
    federation.nobody.user_permissions.set(everything)
    client = signed_in(federation.nobody)
    for address in (page(model, "changelist"), page(model, "change", federation.rows_a[model].pk)):
        response = client.get(address, follow=True)
        assert response.status_code == 403
        assert Client().get(address).status_code == 302


@pytest.mark.parametrize("model", [Lease, Reservation, LeaseEvent, Proof], ids=lambda model: model.__name__)
def test_what_services_write_nobody_adds_changes_or_deletes_by_hand(federation: Federation, model: type):
    for user in (federation.operator_a, federation.manager):
        client = signed_in(user)
        row = federation.rows_a[model]
        assert client.get(page(model, "add")).status_code == 403
        assert client.post(page(model, "change", row.pk), {"status": "ACTIVE"}).status_code == 403
        assert client.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        assert model.objects.filter(pk=row.pk).exists()  # type: ignore[attr-defined]


def test_an_operatorship_alone_opens_the_desk_and_its_end_closes_it(federation: Federation):
    client = signed_in(federation.nobody)
    assert client.get("/admin/", follow=True).status_code == 403
    place = Operatorship.objects.create(user=federation.nobody, site=federation.rows_a[Site])
    assert client.get("/admin/").status_code == 200
    place.delete()
    assert client.get("/admin/", follow=True).status_code == 403


def test_an_operator_who_was_made_inactive_is_out(federation: Federation):
    client = signed_in(federation.operator_a)
    User.objects.filter(pk=federation.operator_a.pk).update(is_active=False)
    assert client.get("/admin/").status_code == 302


def test_strangers_are_sent_to_the_portals_own_door():
    response = Client().get("/admin/login/?next=/admin/reservations/lease/")
    assert response.status_code == 302
    assert response["Location"] == "/accounts/login/?next=/admin/reservations/lease/"


def test_completion_offers_only_ones_own_devices(federation: Federation):
    asked = {
        "app_label": "resources",
        "model_name": "maintenancewindow",
        "field_name": "resource",
        "term": "Card",
    }
    for operator, name in ((federation.operator_a, "aa"), (federation.operator_b, "bb")):
        answer = signed_in(operator).get(reverse("admin:autocomplete"), asked).json()
        assert [each["text"] for each in answer["results"]] == [f"Site {name} · Card of {name}"]


def test_an_action_touches_only_ones_own_rows(federation: Federation):
    both = [federation.rows_a[Resource].pk, federation.rows_b[Resource].pk]
    signed_in(federation.operator_a).post(
        page(Resource, "changelist"), {"action": "take_out_of_service", "_selected_action": both}
    )
    states = dict(Resource.objects.values_list("pk", "in_service"))
    assert [states[pk] for pk in both] == [False, True]


def test_the_site_filter_names_ones_own_sites(federation: Federation):
    Operatorship.objects.create(user=federation.operator_a, site=make_site("cc", name="Site cc"))
    text = signed_in(federation.operator_a).get(page(Lease, "changelist")).content.decode()
    assert "?site=cc" in text
    assert "?site=bb" not in text


def test_today_says_what_waits_and_links_to_what_can_be_done(federation: Federation):
    resource = federation.rows_a[Resource]
    asked = book_lease(
        make_resource(resource.site, name="Asked for"), status=Status.REQUESTED, starts_at=next_hour(after_h=60)
    )
    starting = book_lease(make_resource(resource.site, name="Starting"), starts_at=timezone.now())
    ill = make_resource(resource.site, name="Ill", health="unhealthy", health_detail="too hot")
    text = signed_in(federation.operator_a).get("/admin/").content.decode()
    for address in (
        reverse("admin:reservations_lease_approve", args=[asked.pk]),
        reverse("admin:reservations_lease_reject", args=[asked.pk]),
        reverse("admin:reservations_lease_retry", args=[federation.rows_a[Lease].pk]),
        reverse("admin:reservations_lease_vouch", args=[federation.rows_a[Lease].pk]),
        page(Lease, "change", starting.pk),
        f"{page(MaintenanceWindow, 'add')}?resource={ill.pk}",
        page(Site, "change", resource.site_id),
    ):
        assert address in text
    assert "too hot" in text
    assert "never heard" in text
    assert "Card of bb" not in text


def test_today_asks_the_database_a_few_questions_however_much_there_is(
    federation: Federation, django_assert_max_num_queries: Any
):
    site = federation.rows_a[Site]
    for number in range(12):
        book_lease(make_resource(site, name=f"Busy {number}"), starts_at=timezone.now())
        make_resource(site, name=f"Ill {number}", health="unhealthy")
    client = signed_in(federation.operator_a)
    with django_assert_max_num_queries(20):
        assert client.get("/admin/").status_code == 200


def test_a_calm_day_says_so(db: None):
    site = make_site("calm", last_heard_at=timezone.now())
    text = signed_in(make_user(operates=[site])).get("/admin/").content.decode()
    assert "Nothing waits for you" in text


def test_times_are_in_the_zone_of_the_person_and_the_page_says_which(federation: Federation):
    User.objects.filter(pk=federation.operator_a.pk).update(time_zone="Asia/Tokyo")
    lease = federation.rows_a[Lease]
    text = signed_in(federation.operator_a).get(page(Lease, "change", lease.pk)).content.decode()
    assert "Times: Asia/Tokyo" in text
    assert f"{lease.starts_at.astimezone(ZoneInfo('Asia/Tokyo')):%b %Y %H:%M}" in text


def test_the_policy_is_relaxed_here_and_nowhere_else(federation: Federation):
    client = signed_in(federation.operator_a)
    here = client.get("/admin/")["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval';" in f"{here};"
    assert "'unsafe-inline'" in here.partition("style-src")[2].partition(";")[0]
    assert "'unsafe-inline'" not in here.partition("script-src")[2].partition(";")[0]
    assert "unsafe" not in client.get("/mine/")["Content-Security-Policy"]


def test_the_portal_links_to_the_desk_for_those_who_may_enter(federation: Federation):
    for user, linked in ((federation.operator_a, True), (federation.manager, True), (federation.nobody, False)):
        assert ('href="/admin/"' in signed_in(user).get("/mine/").content.decode()) is linked
