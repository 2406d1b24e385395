"""Files and maintenance by the REST API."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from adapters import emulators
from reservations.models import Artefact
from resources.models import MaintenanceWindow
from tests.callers import codes, script_of
from tests.factories import (
    book_lease,
    make_artefact,
    make_project,
    make_resource,
    make_site,
    make_superuser,
    make_user,
    next_hour,
)

pytestmark = pytest.mark.django_db

EXAMPLE = Path(emulators.__file__).parent / "p4runtime" / "example"
P4INFO = (EXAMPLE / "forward.p4info.txtpb").read_bytes()
URL = "/api/v1/artefacts/"


def upload(client: Any, owner: Any, content: bytes = P4INFO, *, key: str | None = None, **fields: Any) -> Any:
    file = SimpleUploadedFile("forward.p4info.txtpb", content)
    form = {"project": owner.slug, "adapter": "p4_switch", "name": "p4info", "file": file} | fields
    return client.post(URL, form, format="multipart", headers={"Idempotency-Key": key} if key else {})


def test_a_good_file_is_accepted_once_and_can_be_booked_with() -> None:
    project = make_project()
    script = script_of(make_user(projects=[project]))
    answer = upload(script, project)
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["name"], shown["filename"], shown["size"]) == ("p4info", "forward.p4info.txtpb", len(P4INFO))
    assert shown["facts"]["tables"] == ["Forward.mac", "Forward.ipv4"]
    assert "Forward.route" in shown["facts"]["actions"]
    assert upload(script, project).json()["id"] == shown["id"]
    assert [each["id"] for each in script.get(URL).json()["results"]] == [shown["id"]]
    assert Artefact.objects.count() == 1


def test_the_same_upload_under_the_same_key_is_the_same_whatever_its_boundary() -> None:
    project = make_project()
    script = script_of(make_user(projects=[project]))
    first = upload(script, project, key="k")
    assert upload(script, project, key="k").json() == first.json()
    assert codes(upload(script, project, P4INFO + b"\n# more", key="k")) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("content", "fields", "field"),
    [
        (b"this is no p4info {", {}, "file"),
        (b"", {}, "file"),
        (P4INFO, {"adapter": "nonsense"}, "adapter"),
        (P4INFO, {"name": "nonsense"}, "name"),
        (P4INFO, {"file": "text"}, "file"),
        (P4INFO, {"project": ""}, "project"),
    ],
    ids=["no p4info", "empty", "no adapter", "no slot", "no file", "no project"],
)
def test_a_file_that_cannot_work_is_refused_with_words(content: bytes, fields: Any, field: str) -> None:
    project = make_project()
    answer = upload(script_of(make_user(projects=[project])), project, content, **fields)
    assert codes(answer) == (400, "invalid")
    assert field in answer.json()["errors"]
    assert not Artefact.objects.exists()


def test_files_are_their_projects_alone() -> None:
    project = make_project()
    artefact = make_artefact(project)
    member, outsider = script_of(make_user(projects=[project])), script_of(make_user(projects=[make_project()]))
    assert member.get(f"{URL}{artefact.pk}/").json()["id"] == str(artefact.pk)
    assert codes(outsider.get(f"{URL}{artefact.pk}/")) == (404, "not_found")
    assert outsider.get(URL).json()["results"] == []
    assert codes(upload(outsider, project)) == (403, "not_allowed")


MAINTENANCE = "/api/v1/maintenance/"


def plan(client: Any, resource: Any, **fields: Any) -> Any:
    body = {
        "resource": str(resource.pk),
        "starts_at": next_hour().isoformat(),
        "ends_at": next_hour(after_h=2).isoformat(),
        "reason": "New fans",
    }
    return client.post(MAINTENANCE, body | fields)


def test_operators_plan_maintenance_and_give_it_back() -> None:
    site = make_site()
    resource = make_resource(site)
    operator, other = script_of(make_user(operates=[site])), script_of(make_user(operates=[make_site()]))
    assert codes(plan(other, resource)) == (403, "not_allowed")
    planned = plan(operator, resource)
    assert planned.status_code == 201, planned.content
    url = f"{MAINTENANCE}{planned.json()['id']}/"
    assert [each["id"] for each in other.get(MAINTENANCE).json()["results"]] == [planned.json()["id"]]
    assert codes(other.delete(url)) == (403, "not_allowed")
    assert operator.delete(url).status_code == 204
    assert codes(operator.delete(url)) == (404, "not_found")
    assert plan(script_of(make_superuser()), resource).status_code == 201


def test_maintenance_names_the_leases_in_its_way() -> None:
    site = make_site()
    lease = book_lease(make_resource(site))
    operator = script_of(make_user(operates=[site]))
    answer = plan(operator, lease.resource)
    assert codes(answer) == (409, "leases_in_the_way")
    assert answer.json()["leases"] == [str(lease.pk)]
    assert not MaintenanceWindow.objects.exists()
    later = lease.ends_at + timedelta(hours=1)
    free = plan(
        operator, lease.resource, starts_at=later.isoformat(), ends_at=(later + timedelta(hours=1)).isoformat()
    )
    assert free.status_code == 201


@pytest.mark.parametrize("fields", [{"ends_at": "2030-01-01T00:00:00"}, {"ends_at": "2001-01-01T00:00:00Z"}])
def test_maintenance_that_makes_no_sense_is_refused(fields: dict[str, str]) -> None:
    site = make_site()
    answer = plan(script_of(make_user(operates=[site])), make_resource(site), **fields)
    assert codes(answer) == (400, "invalid")


def test_another_content_under_a_name_is_its_next_version_and_the_same_content_the_same_file() -> None:
    project = make_project()
    one, other = (script_of(make_user(projects=[project])) for _ in range(2))
    first = upload(one, project).json()
    second = upload(other, project, P4INFO + b"\n# mended\n").json()
    assert (first["version"], second["version"]) == (1, 2)
    assert second["filename"] == first["filename"]
    renamed = SimpleUploadedFile("renamed.txtpb", P4INFO)
    assert upload(other, project, file=renamed).json()["id"] == first["id"]
    elsewhere = make_project(members=[make_user()])
    stranger = script_of(elsewhere.memberships.get().user)
    assert upload(stranger, elsewhere).json()["id"] != first["id"], "another project's file is its own"


def test_members_download_what_was_uploaded_byte_for_byte_and_nobody_else_does() -> None:
    project = make_project()
    artefact = make_artefact(project, content=b"\x00\xff\r\n", filename='a "quoted" name.json')
    url = f"{URL}{artefact.pk}/content/"
    answer = script_of(make_user(projects=[project])).get(url)
    assert answer.content == b"\x00\xff\r\n"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert codes(script_of(make_user()).get(url)) == (404, "not_found")


def test_a_file_is_deleted_by_whose_it_is_and_only_when_no_lease_needs_it() -> None:
    project = make_project()
    owner, member, leader = (
        make_user(projects=[project]),
        make_user(projects=[project]),
        make_user(leads=[project]),
    )
    artefact, other = (make_artefact(project, uploaded_by=owner) for _ in range(2))
    lease = book_lease(holder=owner, project=project)
    lease.artefacts.add(artefact)
    url = f"{URL}{artefact.pk}/"
    assert codes(script_of(make_user()).delete(url)) == (404, "not_found")
    assert codes(script_of(member).delete(url)) == (403, "not_allowed")
    assert codes(script_of(owner).delete(url)) == (409, "illegal_move")
    lease.artefacts.clear()
    assert script_of(owner).delete(url).status_code == 204
    assert script_of(leader).delete(f"{URL}{other.pk}/").status_code == 204
    assert not Artefact.objects.exists()


def test_a_file_that_is_too_large_is_not_read_to_its_end() -> None:
    project = make_project()
    answer = upload(script_of(make_user(projects=[project])), project, b"x" * (1024 * 1024 + 1))
    assert codes(answer) == (400, "invalid")
    assert "1024 KiB at most" in answer.json()["errors"]["file"][0]


def test_source_is_compiled_for_a_device_and_its_builds_are_listed() -> None:
    project = make_project()
    script = script_of(make_user(projects=[project]))
    switch = make_resource(kind="p4_switch", adapter="p4_switch", attributes={"model": "BMv2"})
    source = upload(script, project, b"#include <core.p4>\n", name="source").json()
    answer = script.post(f"{URL}{source['id']}/build/", {"resource": str(switch.pk)})
    assert answer.status_code == 202, answer.content
    assert answer.json()["state"] == "waiting"
    (listed,) = script.get(f"{URL}{source['id']}/builds/").json()
    assert (listed["id"], listed["made"]) == (answer.json()["id"], [])
    outsider = script_of(make_user())
    assert codes(outsider.post(f"{URL}{source['id']}/build/", {"resource": str(switch.pk)})) == (
        404,
        "not_found",
    )
    assert outsider.get(f"{URL}{source['id']}/builds/").status_code == 404
    assert codes(upload(script, project, b"\x7fELF\x00", name="source")) == (400, "invalid")


def test_a_lease_shows_its_files_and_takes_others_until_it_starts() -> None:
    project = make_project()
    holder = make_user(projects=[project])
    script = script_of(holder)
    switch = make_resource(kind="p4_switch", adapter="p4_switch", attributes={"model": "BMv2"})
    operator = script_of(make_user(operates=[switch.site]))
    lease = book_lease(switch, holder=holder, project=project)
    program = SimpleUploadedFile("forward.json", (EXAMPLE / "forward.json").read_bytes())
    files = {
        "p4info": upload(script, project).json()["id"],
        "device_config": upload(script, project, name="device_config", file=program).json()["id"],
    }
    url = f"/api/v1/leases/{lease.pk}/"
    before = script.get(url).json()
    assert before["can"]["replace_files"] is True
    assert [(slot["name"], slot["id"]) for slot in before["files"]] == [
        ("p4info", None),
        ("device_config", None),
    ]
    assert before["rehearsal"] is None
    assert codes(operator.post(f"{url}files/", {"artefacts": files})) == (403, "not_allowed")
    assert codes(script.post(f"{url}files/", {"artefacts": {}})) == (400, "invalid")
    answer = script.post(f"{url}files/", {"artefacts": files})
    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert {slot["name"]: slot["id"] for slot in shown["files"]} == files
    assert shown["rehearsal"]["state"] == "waiting"
    assert operator.get(url).json()["can"]["replace_files"] is False
