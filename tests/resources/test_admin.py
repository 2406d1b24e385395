"""The desk of operators for sites and devices."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from adapters.contract.wire import new_key, private_key, public_text
from resources.models import Operatorship, Resource, Site
from tests.factories import book_lease, make_resource, make_site, make_superuser, make_user

LXD = {
    "endpoint": "https://gpu1.uni-a.example:8443",
    "certificate_secret": "lxd.crt",
    "key_secret": "lxd.key",
    "server_certificate_secret": "lxd.server.crt",
    "image": "ubuntu",
    "ssh_host": "gpu1.uni-a.example",
    "pci": "0000:65:00.0",
}
ATTRIBUTES = {"model": "L40S", "memory_gib": 48}
LIST = "/admin/resources/resource/"


@pytest.fixture
def site(db: None) -> Site:
    return make_site("roma", name="Roma")


@pytest.fixture
def desk(site: Site) -> Client:
    client = Client()
    client.force_login(make_user("operator", operates=[site]))
    return client


def filled(site: Site, **fields: Any) -> dict[str, Any]:
    """Return a device's form, filled so that it is accepted."""
    form: dict[str, Any] = {
        "name": "L40S 1",
        "site": site.pk,
        "parent": "",
        "in_service": "on",
        "adapter": "gpu_lxd",
        "kind": "gpu",
        "attributes": ATTRIBUTES,
        "settings": LXD,
        "preparation_s": 60,
        "cleanup_s": 60,
        "parts-TOTAL_FORMS": 0,
        "parts-INITIAL_FORMS": 0,
    } | fields
    for name in ("attributes", "settings"):
        if not isinstance(form[name], str):
            form[name] = json.dumps(form[name])
    return form


def refused(response: Any) -> dict[str, list[str]]:
    """Return what the form says is wrong, by field."""
    assert response.status_code == 200
    return {name: list(errors) for name, errors in response.context["adminform"].form.errors.items()}


def change_page(row: Any) -> str:
    return reverse(f"admin:resources_{row._meta.model_name}_change", args=[row.pk])


def test_a_device_whose_settings_can_work_is_kept(desk: Client, site: Site):
    response = desk.post(f"{LIST}add/", filled(site))
    assert response.status_code == 302
    resource = Resource.objects.get()
    assert (resource.model, resource.settings["endpoint"]) == ("L40S", LXD["endpoint"])


def test_each_wrong_setting_is_named(desk: Client, site: Site):
    errors = refused(
        desk.post(f"{LIST}add/", filled(site, settings=LXD | {"endpoint": "gpu1", "colour": "red"}))
    )
    assert list(errors) == ["settings"]
    assert any(each.startswith("“endpoint”:") for each in errors["settings"])
    assert any(each.startswith("“colour”:") for each in errors["settings"])
    assert not Resource.objects.exists()


def test_each_wrong_attribute_is_named(desk: Client, site: Site):
    errors = refused(desk.post(f"{LIST}add/", filled(site, attributes={"model": "L40S", "memory_gib": "much"})))
    assert list(errors) == ["attributes"]
    assert "“memory_gib”" in errors["attributes"][0]


@pytest.mark.parametrize("text", ["{'host': 1}", "[1, 2]", "nonsense"])
def test_what_is_no_json_object_is_refused_in_words(desk: Client, site: Site, text: str):
    errors = refused(desk.post(f"{LIST}add/", filled(site, settings=text)))
    assert "JSON" in errors["settings"][0]


def test_the_kind_is_one_of_the_adapters_own(desk: Client, site: Site):
    errors = refused(desk.post(f"{LIST}add/", filled(site, kind="p4_switch")))
    assert errors == {"kind": ["GPU on LXD drives: gpu, gpu_slice, gpu_host."]}


def test_a_part_takes_over_the_settings_of_its_wholes(desk: Client, site: Site):
    host = {name: value for name, value in LXD.items() if name != "pci"}
    whole = make_resource(site, name="Host", kind="gpu_host", settings=host)
    own = {"pci": "0000:65:00.0"}
    form = filled(site, parent=whole.pk, settings=own)
    assert desk.post(f"{LIST}add/", form).status_code == 302
    assert Resource.objects.get(parent=whole).settings == own
    alone = refused(desk.post(f"{LIST}add/", filled(site, name="Alone", settings=own)))
    assert any("“endpoint”" in each for each in alone["settings"])


def test_a_whole_is_not_changed_so_that_a_part_could_not_work(desk: Client, site: Site):
    whole = make_resource(site, name="Host", kind="gpu_host", settings=LXD)
    make_resource(parent=whole, name="Card", settings={"image": "other"})
    assert desk.post(change_page(whole), filled(site, name="Host", kind="gpu_host")).status_code == 302
    Resource.objects.filter(parent=whole).update(settings={"timeout_s": "soon"})
    errors = refused(desk.post(change_page(whole), filled(site, name="Host", kind="gpu_host")))
    assert errors["settings"][0].startswith("Card, a part of it, “timeout_s”:")


def test_a_part_is_at_the_site_of_its_whole(site: Site):
    other = make_site("torino", name="Torino")
    client = Client()
    client.force_login(make_superuser())
    whole = make_resource(site, name="Host", settings=LXD)
    errors = refused(client.post(f"{LIST}add/", filled(other, parent=whole.pk, settings={})))
    assert errors["site"] == ["A part is at the site of its whole: choose “Roma”."]


def test_no_device_is_put_at_somebody_elses_site_or_under_their_device(desk: Client, site: Site):
    other = make_site("torino")
    theirs = make_resource(other)
    errors = refused(desk.post(f"{LIST}add/", filled(other, parent=theirs.pk)))
    assert {"site", "parent"} <= set(errors)
    assert Resource.objects.count() == 1


def test_the_place_of_a_device_never_changes(desk: Client, site: Site):
    second = make_site("second", operators=[Operatorship.objects.get().user])
    whole = make_resource(site, name="Host", settings=LXD)
    resource = make_resource(site, name="Card", settings=LXD)
    form = filled(second, name="Card", parent=whole.pk)
    assert desk.post(change_page(resource), form).status_code == 302
    resource.refresh_from_db()
    assert (resource.site, resource.parent) == (site, None)


def test_what_the_engine_writes_is_not_in_the_form(desk: Client, site: Site):
    resource = make_resource(
        site, name="L40S 1", quarantined_at=timezone.now(), quarantine_reason="memory not empty"
    )
    form = filled(site) | {"health": "unhealthy", "quarantined_at": "", "quarantine_reason": ""}
    assert desk.post(change_page(resource), form).status_code == 302
    resource.refresh_from_db()
    assert (resource.health, resource.quarantine_reason) == ("healthy", "memory not empty")
    assert "memory not empty" in desk.get(change_page(resource)).content.decode()


def test_devices_are_taken_out_of_service_and_back_and_the_history_says_by_whom(desk: Client, site: Site):
    resource = make_resource(site)
    for action, in_service in (("take_out_of_service", False), ("take_into_service", True)):
        desk.post(LIST, {"action": action, "_selected_action": [resource.pk]})
        resource.refresh_from_db()
        assert resource.in_service is in_service
    history = desk.get(f"{LIST}{resource.pk}/history/").content.decode()
    assert "Now out of service" in history


def test_a_device_that_was_leased_cannot_be_deleted(desk: Client, site: Site):
    resource = make_resource(site)
    book_lease(resource)
    desk.post(f"{LIST}{resource.pk}/delete/", {"post": "yes"})
    assert Resource.objects.filter(pk=resource.pk).exists()


def test_add_a_part_begins_with_its_whole(desk: Client, site: Site):
    whole = make_resource(site, settings=LXD)
    response = desk.get(f"{LIST}{whole.pk}/add-part/", follow=True)
    form = response.context["adminform"].form
    assert (form.initial["parent"], form.initial["site"], form.initial["adapter"]) == (
        str(whole.pk),
        site.pk,
        "gpu_lxd",
    )


def site_form(site: Site, **fields: Any) -> dict[str, Any]:
    """Return a site's form as an operator sends it."""
    form = {
        "name": site.name,
        "contact_email": "testbed@roma.example",
        "public_key": "",
        "time_zone": "Europe/Rome",
        "latitude": "",
        "longitude": "",
        "approval": "operator",
        "operatorships-TOTAL_FORMS": "0",
        "operatorships-INITIAL_FORMS": "0",
    }
    return form | fields


def test_an_operator_keeps_the_site_but_neither_slug_nor_operators(desk: Client, site: Site):
    stranger = make_user()
    form = site_form(site, slug="other") | {
        "operatorships-TOTAL_FORMS": "1",
        "operatorships-INITIAL_FORMS": "0",
        "operatorships-0-user": stranger.pk,
        "operatorships-0-site": site.pk,
    }
    assert desk.post(change_page(site), form).status_code == 302
    site.refresh_from_db()
    assert (site.slug, site.contact_email) == ("roma", "testbed@roma.example")
    assert site.approval == Site.Approval.AUTOMATIC, "the policy has a page of its own"
    assert not Operatorship.objects.filter(user=stranger).exists()


def test_a_wrong_key_is_refused_before_the_site_falls_silent(desk: Client, site: Site):
    errors = refused(desk.post(change_page(site), site_form(site, public_key="ssh-ed25519 AAAA")))
    assert "no public key" in errors["public_key"][0]
    key = public_text(private_key(new_key()))
    assert desk.post(change_page(site), site_form(site, public_key=key)).status_code == 302
    site.refresh_from_db()
    assert site.public_key == key


def test_the_sites_page_gives_the_hubs_key_and_says_whether_the_site_is_heard(
    desk: Client, site: Site, settings: Any
):
    text = desk.get(change_page(site)).content.decode()
    assert public_text(private_key(settings.SHARY_HUB_KEY)) in text
    assert settings.SHARY_HUB_KEY not in text
    assert "never heard" in text
    Site.objects.update(last_heard_at=timezone.now())
    assert "reachable" in desk.get(change_page(site)).content.decode()


def test_only_a_manager_founds_a_site_and_names_its_operators(desk: Client, site: Site):
    assert desk.get("/admin/resources/site/add/").status_code == 403
    client = Client()
    client.force_login(make_superuser())
    user = make_user()
    form = site_form(site, name="New", slug="new", organisation=site.organisation_id) | {
        "operator_rules-TOTAL_FORMS": "0",
        "operator_rules-INITIAL_FORMS": "0",
        "operatorships-TOTAL_FORMS": "1",
        "operatorships-INITIAL_FORMS": "0",
        "operatorships-0-user": user.pk,
    }
    response = client.post("/admin/resources/site/add/", form)
    assert response.status_code == 302
    assert list(Site.objects.get(slug="new").operators.all()) == [user]
