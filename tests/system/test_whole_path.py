"""The promise of the portal, kept by the real thing: book, ready at the start, in, out, proven clean.

Everything runs: the embedded servers, the web server, the hub, beat, a worker for each site and the emulated
devices. The test is a researcher with an HTTP client, an ssh client, a P4Runtime client and a Redfish client.
"""

import base64
import http.client
import re
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from adapters.contract import Access, AccessFile, Endpoint
from tests.adapters.gpu_lxd.holder import SshHolder
from tests.adapters.p4_switch.outside import Outside
from tests.running_portal import RunningPortal, running_portal

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "adapters/emulators/p4runtime/example"
PROJECT = "in-network-learning"


class Researcher:
    """Somebody with a script: signs in once for a token, then speaks REST."""

    def __init__(self, portal: RunningPortal) -> None:
        self.address = portal.address()
        self.http = requests.Session()
        self.http.trust_env = False
        self._sign_in("researcher@uni-a.example", portal.password)

    def _sign_in(self, email: str, password: str) -> None:
        page = urljoin(self.address, "accounts/login/")
        self.http.get(page)
        form = {"login": email, "password": password, "csrfmiddlewaretoken": self.http.cookies["csrftoken"]}
        answer = self.http.post(page, data=form, headers={"Referer": page}, allow_redirects=False)
        assert answer.status_code == 302, answer.text
        headers = {"X-CSRFToken": self.http.cookies["csrftoken"], "Referer": page}
        made = self.http.post(
            urljoin(self.address, "api/v1/tokens/"),
            json={"name": "test", "scopes": ["read", "book", "operate", "keys"]},
            headers=headers,
        )
        assert made.status_code == 201, made.text
        self.http.cookies.clear()
        self.http.headers["Authorization"] = f"Bearer {made.json()['token']}"

    def get(self, path: str, **query: str) -> Any:
        answer = self.http.get(urljoin(self.address, f"api/v1/{path}"), params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, *, expect: int, **body: Any) -> Any:
        answer = self.http.post(urljoin(self.address, f"api/v1/{path}"), **body)
        assert answer.status_code == expect, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPortal]:
    with running_portal(tmp_path_factory.mktemp("portal") / "var") as portal:
        portal.address()
        yield portal


@pytest.fixture(scope="module")
def researcher(portal: RunningPortal) -> Researcher:
    return Researcher(portal)


@pytest.fixture
def ssh(researcher: Researcher) -> Iterator[SshHolder]:
    holder = SshHolder()
    key = researcher.post("ssh-keys/", expect=201, json={"name": "laptop", "public_key": holder.public_key})
    yield holder
    researcher.http.delete(urljoin(researcher.address, f"api/v1/ssh-keys/{key['id']}/"))
    holder.close()


def until(look: Callable[[], Any], *, within_s: float, why: Callable[[], Any] | None = None) -> Any:
    """Return what `look` finds, as soon as it finds something; say `why` it did not."""
    deadline = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline, why() if why else "it did not come about in time"
        time.sleep(0.2)
    return found


def test_two_cards_a_switch_and_a_smart_nic_at_two_sites(researcher: Researcher, ssh: SshHolder) -> None:
    files = {name: _upload(researcher, name, path) for name, path in _program().items()}
    starts_at = datetime.now(UTC) + timedelta(seconds=45)
    booked = researcher.post(
        "reservations/",
        expect=201,
        json={
            "project": PROJECT,
            "purpose": "Gradients summed up in the switch",
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(hours=1)).isoformat(),
            "resources": [
                {"kind": "gpu", "count": 2, "site": "roma", "attributes": {"memory_gib_min": 40}},
                {"kind": "p4_switch", "site": "torino", "artefacts": files},
                {"kind": "smart_nic", "same_site_as": 1},
            ],
        },
    )
    assert {lease["site"] for lease in booked["leases"]} == {"roma", "torino"}
    assert sorted(lease["kind"] for lease in booked["leases"]) == ["gpu", "gpu", "p4_switch", "smart_nic"]

    def now() -> Any:
        return researcher.get(f"reservations/{booked['id']}/")

    ready = until(lambda: _if(now(), lambda r: all(lease["prepared_at"] for lease in r["leases"])), within_s=90)
    if datetime.now(UTC) < starts_at - timedelta(seconds=1):
        assert [lease["access"] for lease in ready["leases"]] == [None] * 4, "no way in before the start"

    active = until(lambda: _if(now(), lambda r: r["phase"] == "active"), within_s=60, why=lambda: _told(now()))
    for lease in active["leases"]:
        opened = datetime.fromisoformat(lease["opened_at"])
        assert opened >= starts_at, "never before the start"
        assert _can_enter(lease, ssh), f"{lease['resource_name']} is open"
    shell = next(lease for lease in active["leases"] if lease["kind"] == "gpu")
    with ssh.session(_access(shell)) as session:
        assert "L40S" in session.run("nvidia-smi")

    researcher.post(f"reservations/{booked['id']}/end/", expect=200)
    over = until(lambda: _if(now(), lambda r: r["phase"] == "over"), within_s=120)
    for lease in over["leases"]:
        proof = lease["proof"]
        assert proof["checks"]
        assert all(check["passed"] for check in proof["checks"])
        assert [event["to"] for event in lease["events"]] == [
            "SCHEDULED",
            "PROVISIONING",
            "ACTIVE",
            "RELEASING",
            "RELEASED",
        ]
    for lease in active["leases"]:
        assert not _can_enter(lease, ssh), f"{lease['resource_name']} is still open"


def test_the_next_holder_gets_the_device_as_soon_as_it_is_proven_clean(
    researcher: Researcher, ssh: SshHolder
) -> None:
    def book(starts_at: datetime) -> Any:
        ask = {"resource": _named(researcher, "A16 4"), "parameters": {}}
        return researcher.http.post(
            urljoin(researcher.address, "api/v1/reservations/"),
            json={
                "project": PROJECT,
                "starts_at": starts_at.isoformat(),
                "ends_at": (starts_at + timedelta(minutes=10)).isoformat(),
                "resources": [ask],
            },
        )

    first = book(datetime.now(UTC) + timedelta(seconds=2)).json()
    until(lambda: researcher.get(f"reservations/{first['id']}/")["phase"] == "active", within_s=90)
    refused = book(datetime.now(UTC) + timedelta(seconds=30))
    assert refused.status_code == 409
    assert refused.json()["refusals"][0]["reason"] == "taken"
    assert refused.json()["alternatives"]
    researcher.post(f"reservations/{first['id']}/end/", expect=200)
    second = until(
        lambda: _if(book(datetime.now(UTC) + timedelta(seconds=75)), lambda r: r.status_code == 201),
        within_s=60,
    )
    until(lambda: researcher.get(f"reservations/{second.json()['id']}/")["phase"] == "active", within_s=150)
    before = researcher.get(f"reservations/{first['id']}/")["leases"][0]
    after = researcher.get(f"reservations/{second.json()['id']}/")["leases"][0]
    assert after["epoch"] > before["epoch"]
    assert before["events"][-1]["at"] < after["opened_at"], "opened only after the proof of the one before"
    researcher.post(f"reservations/{second.json()['id']}/cancel/", expect=200)


def _told(reservation: Any) -> str:
    return "\n".join(
        f"{lease['resource_name']}: {event['to']} at {event['at']}: {event['reason']} {lease['trouble']}"
        for lease in reservation["leases"]
        for event in lease["events"]
    )


def _if(found: Any, is_so: Callable[[Any], bool]) -> Any:
    return found if is_so(found) else None


def _program() -> dict[str, Path]:
    return {"p4info": EXAMPLE / "forward.p4info.txtpb", "device_config": EXAMPLE / "forward.json"}


def _upload(researcher: Researcher, name: str, path: Path) -> str:
    form = {"project": PROJECT, "adapter": "p4_switch", "name": name}
    made = researcher.post("artefacts/", expect=201, data=form, files={"file": (path.name, path.read_bytes())})
    return str(made["id"])


def _named(researcher: Researcher, name: str) -> str:
    found = researcher.get("resources/", search=name)["results"]
    return next(str(resource["id"]) for resource in found if resource["name"] == name)


def _access(lease: Any) -> Access:
    return Access(
        instructions=lease["access"]["instructions"],
        endpoints=tuple(Endpoint(**endpoint) for endpoint in lease["access"]["endpoints"]),
        files=tuple(AccessFile(**file) for file in lease["access"]["files"]),
    )


def _can_enter(lease: Any, ssh: SshHolder) -> bool:
    access = _access(lease)
    way = access.endpoints[0]
    match way.protocol:
        case "ssh":
            return ssh.can_enter(access)
        case "redfish":
            return _can_read_card(way)
        case "p4runtime":
            return Outside(f"{way.host}:{way.port}").can_enter(access)
    raise AssertionError(way.protocol)


def _can_read_card(way: Endpoint) -> bool:
    # The emulated BMC signs its own certificate; its pin is shown to the holder, and tested elsewhere.
    bmc = http.client.HTTPSConnection(way.host, way.port, timeout=10, context=ssl._create_unverified_context())
    login = base64.b64encode(f"{way.username}:{way.secret}".encode()).decode()
    bmc.request("GET", "/redfish/v1/Systems/Bluefield", headers={"Authorization": f"Basic {login}"})
    status = bmc.getresponse().status
    bmc.close()
    return status == 200


class Operator:
    """Somebody at the desk, with a browser that keeps cookies and reads forms."""

    def __init__(self, portal: RunningPortal, email: str) -> None:
        self.address = portal.address()
        self.http = requests.Session()
        self.http.trust_env = False
        door = urljoin(self.address, "accounts/login/")
        self.http.get(door)
        answer = self._post(door, {"login": email, "password": portal.password})
        assert answer.status_code == 302, answer.text

    def page(self, path: str) -> str:
        answer = self.http.get(urljoin(self.address, path))
        assert answer.status_code == 200, answer.text
        return answer.text

    def press(self, path: str, **form: str) -> str:
        answer = self._post(urljoin(self.address, path), form, follow=True)
        assert answer.status_code == 200, answer.text
        return answer.text

    def _post(self, url: str, form: dict[str, str], *, follow: bool = False) -> requests.Response:
        token = {"csrfmiddlewaretoken": self.http.cookies["csrftoken"]}
        return self.http.post(url, data=form | token, headers={"Referer": url}, allow_redirects=follow)


def test_a_site_says_what_it_has_and_its_operator_accepts_it(
    portal: RunningPortal, researcher: Researcher
) -> None:
    operator = Operator(portal, "operator@roma.example")
    operator.press("admin/inventory/roma/look/")
    progress = "admin/inventory/roma/progress/"
    until(
        lambda: 'data-waiting="0"' in operator.page(progress), within_s=90, why=lambda: operator.page(progress)
    )
    found = operator.page("admin/inventory/roma/")
    assert "Could not be looked behind" not in found
    groups = re.findall(r'name="accept" value="([^"]+ [^"]+)"', found)
    assert groups, "the demonstration lists its cards without their UUIDs, which the site finds"
    for group in groups:
        assert "Written into the inventory" in operator.press("admin/inventory/roma/decide/", accept=group)
    assert "No difference: the inventory says what Roma found" in operator.page("admin/inventory/roma/")
    cards = researcher.get("resources/", site="roma", kind="gpu")["results"]
    assert all(card["attributes"]["uuid"].startswith("GPU-") for card in cards)
