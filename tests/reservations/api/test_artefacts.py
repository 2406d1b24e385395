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
