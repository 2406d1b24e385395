"""What a holder saves of the way in, and that nobody else does."""

import io
import zipfile
from typing import Any

import pytest
from django.test import Client

from adapters.contract import Access, AccessFile, Endpoint
from adapters.contract.wire import to_json
from reservations.models import Lease
from reservations.states import Status
from tests.factories import book_lease, make_project, make_reservation, make_resource, make_site, make_user

pytestmark = pytest.mark.django_db


def endpoint(**more: Any) -> Endpoint:
    known: dict[str, Any] = {"label": "Shell", "protocol": "ssh", "host": "gpu1.uni-a.example", "port": 2222}
    return Endpoint(**known | more)


def open_with(lease: Lease, *endpoints: Endpoint, files: tuple[AccessFile, ...] = ()) -> None:
    access = Access(instructions="Use your key.", endpoints=endpoints, files=files)
    Lease.objects.filter(pk=lease.pk).update(access=to_json(access))


def get(user: Any, lease: Lease, name: str) -> Any:
    client = Client()
    client.force_login(user)
    return client.get(f"/reservations/{lease.reservation_id}/{name}")


def test_one_ssh_configuration_names_all_devices() -> None:
    site = make_site("roma", name="Roma")
    reservation = make_reservation(
        [make_resource(site, name="L40S 1"), make_resource(site, name="L40S 2")], status=Status.ACTIVE
    )
    first, second = reservation.leases.order_by("resource__name")
    open_with(first, endpoint(username="lease-a"), endpoint(host="192.0.2.7", port=22, username="root"))
    open_with(second, endpoint(host="gpu2.uni-a.example", port=22))
    response = get(reservation.holder, first, "ssh_config")
    text = response.content.decode()
    hosts = [line.split()[1] for line in text.splitlines() if line.startswith("Host ")]
    assert hosts == ["roma-l40s-1", "roma-l40s-1-2", "roma-l40s-2"]
    assert "    HostName gpu1.uni-a.example\n    Port 2222\n    User lease-a\n" in text
    assert str(first.pk)[:8] in text, "the next lease of the device has a host key of its own"
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "hostile",
    [
        {"host": "gpu1\n    ProxyCommand evil"},
        {"username": "root\n    LocalCommand evil"},
        {"host": "a b"},
        {"username": "-oProxyCommand evil"},
    ],
)
def test_no_site_writes_options_into_the_holder_s_configuration(hostile: Any) -> None:
    lease = book_lease(status=Status.ACTIVE, purpose="Run\nProxyCommand evil")
    open_with(lease, endpoint(**hostile), endpoint())
    text = get(lease.reservation.holder, lease, "ssh_config").content.decode()
    assert not any(line.strip().startswith(("ProxyCommand", "LocalCommand")) for line in text.splitlines())
    assert "evil" not in "".join(line for line in text.splitlines() if not line.startswith("#"))


def test_all_files_come_in_one_archive_and_none_leads_out_of_it() -> None:
    lease = book_lease(make_resource(make_site("roma"), name="Tofino 1"), status=Status.ACTIVE)
    open_with(
        lease,
        endpoint(protocol="p4runtime", command="p4 --cert lease.pem"),
        files=(AccessFile(name="lease.pem", content="cert"), AccessFile(name="../../.bashrc", content="bad")),
    )
    response = get(lease.reservation.holder, lease, "access.zip")
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert sorted(archive.namelist()) == [
        "roma-tofino-1/README.txt",
        "roma-tofino-1/_.._.bashrc",
        "roma-tofino-1/lease.pem",
    ]
    assert archive.read("roma-tofino-1/lease.pem") == b"cert"
    assert b"p4 --cert lease.pem" in archive.read("roma-tofino-1/README.txt")


@pytest.mark.parametrize("name", ["ssh_config", "access.zip"])
@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.PROVISIONING, Status.RELEASING, Status.RELEASED])
def test_before_the_start_and_after_the_end_there_is_nothing(status: Status, name: str) -> None:
    lease = book_lease(status=status)
    open_with(lease, endpoint())
    assert get(lease.reservation.holder, lease, name).status_code == 404


@pytest.mark.parametrize("name", ["ssh_config", "access.zip"])
def test_only_the_project_gets_it(name: str) -> None:
    project = make_project()
    member = make_user(projects=[project])
    lease = book_lease(project=project, status=Status.ACTIVE)
    operator = make_user(operates=[lease.resource.site])
    assert get(member, lease, name).status_code == 200
    assert get(operator, lease, name).status_code == 404
    assert get(make_user(), lease, name).status_code == 404
    assert Client().get(f"/reservations/{lease.reservation_id}/{name}").status_code == 302
