"""Devices as a file: what goes out comes in again unchanged, and what is wrong is said at its row and column."""

import csv
import io
import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from resources.cells import neutral, original
from resources.exchange import NotReadable, read_table
from resources.models import Resource, Site
from resources.services.exchange import import_devices
from tests.factories import make_resource, make_site, make_user

LXD = {
    "endpoint": "https://gpu1.roma.example:8443",
    "certificate_secret": "lxd-certificate",
    "key_secret": "lxd-key",
    "server_certificate_secret": "lxd-server",
    "image": "ubuntu-24.04-cuda",
}
PAGE = "/admin/devices/import/"


@pytest.fixture
def site(db: None) -> Site:
    return make_site("roma", name="Roma")


@pytest.fixture
def operator(site: Site) -> User:
    return make_user("operator", operates=[site])


@pytest.fixture
def desk(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def row(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "site": "roma",
        "name": name,
        "parent": "",
        "kind": "gpu",
        "adapter": "gpu_lxd",
        "attributes": {"model": "L40S"},
        "settings": LXD | {"pci": "0000:65:00.0"},
    } | fields


def taken(site: Site, *rows: dict[str, Any], dry_run: bool = False) -> Any:
    return import_devices(sites=[site], text=json.dumps(rows), form="json", dry_run=dry_run)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\tx",
        "\rx",
        "＝1",
        "＋1",
        "－1",
        "＠x",
        "'=1",
        "''=1",
        "'quoted'",
        "plain",
        "",
    ],
)
def test_a_cell_is_run_by_no_spreadsheet_and_reads_back_as_it_was(text: str):
    safe = neutral(text)
    assert not safe or safe[0] not in "=+-@\t\r＝＋－＠"
    assert original(safe) == text


@pytest.mark.parametrize("form", ["csv", "json", "yaml"])
def test_what_is_exported_imports_without_a_change(desk: Client, site: Site, form: str):
    host = make_resource(
        site, name="=Host, “1”", kind="gpu_host", settings=LXD, attributes={"model": "Host", "memory_gib": 512}
    )
    make_resource(
        parent=host, name="Card\u30001", settings={"pci": "0000:65:00.0"}, serial="-007", in_service=False
    )
    make_resource(make_site("torino"), name="Theirs")
    text = desk.get(f"/admin/devices/export/{form}/").content.decode()
    assert "Theirs" not in text
    if form == "csv":
        assert next(cells["name"] for cells in csv.DictReader(io.StringIO(text))) == "'=Host, “1”"
    before = list(Resource.objects.order_by("pk").values())
    found = import_devices(sites=[site], text=text, form=form, dry_run=False)
    assert [(line.verb, line.errors) for line in found.lines] == [("same", []), ("same", [])]
    assert list(Resource.objects.order_by("pk").values()) == before


def test_new_devices_come_with_their_parts_whatever_the_order(site: Site):
    found = taken(
        site,
        row("Card", parent="Host", settings={"pci": "0000:65:00.0"}),
        row("Host", kind="gpu_host", settings=LXD, attributes={"model": "Host"}),
    )
    assert [line.verb for line in found.lines] == ["new", "new"]
    card = Resource.objects.get(name="Card")
    assert card.parent is not None
    assert card.parent.name == "Host"
    assert card.covered_by.count() == 2


def test_a_preview_changes_nothing_and_says_what_would_change(site: Site):
    make_resource(site, name="L40S 1", settings=LXD | {"pci": "0000:65:00.0"}, attributes={"model": "L40S"})
    found = taken(site, row("L40S 1", serial="123"), row("L40S 2"), dry_run=True)
    assert next((line.verb, line.changes) for line in found.lines) == ("change", [("serial", "–", "123")])
    assert [line.name for line in found.of("new")] == ["roma · L40S 2"]
    assert list(Resource.objects.values_list("name", "serial")) == [("L40S 1", "")]


def test_columns_that_are_left_out_stay(site: Site):
    make_resource(site, name="L40S 1", settings=LXD | {"pci": "0000:65:00.0"}, cleanup_s=77)
    import_devices(sites=[site], text="name;serial\nL40S 1;S-1\n", form="csv", dry_run=False)
    device = Resource.objects.get()
    assert (device.serial, device.cleanup_s, device.in_service, device.settings["pci"]) == (
        "S-1",
        77,
        True,
        "0000:65:00.0",
    )


@pytest.mark.parametrize(
    ("fields", "column", "words"),
    [
        ({"site": "torino"}, "site", "You run no site “torino”."),
        ({"name": ""}, "name", "Each device has a name."),
        ({"kind": "p4_switch"}, "kind", "drives: gpu"),
        ({"adapter": "nope"}, "adapter", "no such adapter"),
        ({"settings": {"endpoint": "x"}}, "settings", "Field required"),
        ({"settings": "{not json"}, "settings", "This is not JSON"),
        ({"settings": "[1]"}, "settings", "Write a JSON object"),
        ({"attributes": {"memory_gib": "much"}}, "attributes", "memory_gib"),
        ({"parent": "Nowhere"}, "parent", "There is no device “Nowhere”"),
        ({"cleanup_s": "-5"}, "cleanup_s", "0 or more"),
        ({"in_service": "perhaps"}, "in_service", "“yes” or “no”"),
        ({"name": "x" * 101}, "name", "100"),
    ],
)
def test_what_is_wrong_is_said_at_its_column_and_nothing_is_imported(
    site: Site, fields: dict[str, Any], column: str, words: str
):
    make_site("torino")
    found = taken(site, row("Good"), row("Bad") | fields)
    (wrong,) = found.of("wrong")
    assert wrong.number == 2
    assert [said for name, said in wrong.errors if name == column and words in said], wrong.errors
    assert not Resource.objects.exists()


def test_a_device_twice_in_a_file_and_one_that_changes_its_whole_are_refused(site: Site):
    found = taken(site, row("Twice"), row("Twice"))
    assert found.of("wrong")[0].errors == [("name", "It stands in the file twice.")]
    host = make_resource(site, name="Host", kind="gpu_host", settings=LXD, attributes={"model": "Host"})
    make_resource(parent=host, name="Card")
    found = taken(site, row("Card"))
    assert found.of("wrong")[0].errors[0][0] == "parent"


def test_settings_of_a_whole_that_break_a_part_are_refused(site: Site):
    host = make_resource(site, name="Host", kind="gpu_host", settings=LXD, attributes={"model": "Host"})
    make_resource(parent=host, name="Card", settings={"pci": "0000:65:00.0"})
    found = taken(
        site, row("Host", kind="gpu_host", settings=LXD | {"endpoint": ""}, attributes={"model": "Host"})
    )
    assert found.of("wrong")
    host.refresh_from_db()
    assert host.settings == LXD


@pytest.mark.parametrize(
    ("text", "form", "words"),
    [
        ("", "csv", "There is no device in it"),
        ("name,colour\na,b\n", "csv", "There are no columns “colour”"),
        ("kind\ngpu\n", "csv", "The column “name” is missing"),
        ("{", "json", "This is no JSON"),
        ('"x"', "json", "Write a list of devices"),
        ("- name: &a x\n- name: *a\n", "yaml", "References"),
        ("!!python/object/apply:os.system [true]", "yaml", "This is no YAML"),
        ("[" * 200_000, "json", "This is no JSON"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_words(text: str, form: str, words: str):
    with pytest.raises(NotReadable, match=words):
        read_table(text, form)


def test_many_devices_take_few_statements(site: Site, django_assert_max_num_queries: Any):
    host = make_resource(site, name="Host", kind="gpu_host", settings=LXD, attributes={"model": "Host"})
    rows = [row(f"Card {n}", parent=host.name, settings={"pci": "0000:65:00.0"}) for n in range(2000)]
    with django_assert_max_num_queries(40):
        found = taken(site, *rows)
    assert len(found.of("new")) == 2000
    assert Resource.objects.count() == 2001
    for each in rows:
        each["serial"] = f"S-{each['name']}"
    with django_assert_max_num_queries(40):
        found = taken(site, *rows, dry_run=True)
    assert len(found.of("change")) == 2000


def test_the_page_shows_the_differences_and_then_imports(desk: Client, site: Site, operator: User):
    text = json.dumps([row("L40S 1")])
    upload = SimpleUploadedFile("devices.json", text.encode())
    response = desk.post(PAGE, {"file": upload, "do": "preview"})
    assert "1 device is new" in response.content.decode()
    assert not Resource.objects.exists()
    response = desk.post(PAGE, {"text": text, "form": "json", "do": "import"}, follow=True)
    assert "1 device is new" in response.content.decode()
    device = Resource.objects.get()
    entry = LogEntry.objects.get(object_id=str(device.pk))
    assert (entry.user, entry.change_message) == (operator, "Imported.")


def test_nobody_imports_to_a_site_of_others_or_without_one(desk: Client, site: Site):
    torino = make_site("torino")
    theirs = make_resource(torino, name="Theirs")
    text = json.dumps([row("Theirs", site="torino", serial="stolen")])
    page = desk.post(PAGE, {"text": text, "form": "json", "do": "import"}).content.decode()
    assert "You run no site “torino”." in page
    theirs.refresh_from_db()
    assert theirs.serial == ""
    assert desk.get("/admin/devices/export/csv/?site=torino").status_code == 404
