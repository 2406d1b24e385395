"""The emulated server by raw requests: what it does, and what it refuses in LXD's own words."""

import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest
import requests
from pylxd.client import get_session_for_url

from adapters.emulators.lxd import Fault, HostCard, LxdEmulator, self_signed

H100, A100 = "0000:65:00.0", "0000:b3:00.0"
IMAGE = {"type": "image", "alias": "ubuntu-gpu"}


class Raw:
    """Requests, without a client library in between."""

    def __init__(self, url, session):
        self.url, self.session = url, session

    def __call__(self, method, path, *, timeout=5, **more):
        return self.session.request(method, f"{self.url}/1.0{path}", timeout=timeout, **more)

    def done(self, method, path, **more):
        """Return how the operation that the request begins ended: its code and its error."""
        answer = self(method, path, **more)
        assert answer.status_code == 202, answer.text
        operation = answer.json()["operation"].removeprefix("/1.0")
        state = self("GET", f"{operation}/wait").json()["metadata"]
        return state["status_code"], state["err"]


@pytest.fixture(scope="module")
def pair():
    return self_signed("client")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lxd")


@pytest.fixture
def lxd(pair, folder):
    cards = [HostCard(pci=H100), HostCard(pci=A100, model="NVIDIA A100 80GB PCIe")]
    with LxdEmulator(trust=[pair.certificate], cards=cards, folder=folder, delay_s=0.002) as emulator:
        yield emulator


@contextmanager
def session_of(lxd, pair, folder):
    files = tuple(str(path) for path in pair.write(folder, "client"))
    session = get_session_for_url(lxd.url, cert=files, verify=str(lxd.folder / "server.crt"))
    session.trust_env = False
    with session:
        yield Raw(lxd.url, session)


@pytest.fixture
def ask(lxd, pair, tmp_path):
    with session_of(lxd, pair, tmp_path) as raw:
        yield raw


def an_instance(name, *pcis, **more):
    devices = {
        f"gpu{number}": {"type": "gpu", "gputype": "physical", "pci": pci} for number, pci in enumerate(pcis)
    }
    return {"name": name, "source": IMAGE, "devices": devices} | more


def switched(ask, name, action):
    return ask.done("PUT", f"/instances/{name}/state", json={"action": action, "force": True})


def test_an_instance_is_made_started_stopped_and_deleted(ask):
    assert ask.done("POST", "/instances", json=an_instance("a", H100)) == (200, "")
    assert ask("GET", "/instances/a").json()["metadata"]["status"] == "Stopped"
    assert switched(ask, "a", "start") == (200, "")
    assert ask("GET", "/instances/a").json()["metadata"]["status"] == "Running"
    assert switched(ask, "a", "stop") == (200, "")
    assert ask.done("DELETE", "/instances/a") == (200, "")
    assert ask("GET", "/instances/a").status_code == 404


def test_the_same_card_goes_to_two_containers_without_complaint(ask):
    for name in ("a", "b"):
        ask.done("POST", "/instances", json=an_instance(name, H100))
        assert switched(ask, name, "start") == (200, "")


def test_a_virtual_machine_takes_its_card_from_the_host_and_from_other_machines(ask):
    for name in ("a", "b"):
        ask.done("POST", "/instances", json=an_instance(name, H100, type="virtual-machine"))
    switched(ask, "a", "start")

    code, words = switched(ask, "b", "start")

    assert code == 400
    assert "Device or resource busy" in words
    first = ask("GET", "/resources").json()["metadata"]["gpu"]["cards"][0]
    assert (first["driver"], "nvidia" in first) == ("vfio-pci", False)


def test_an_absent_card_is_accepted_and_fails_at_start(ask):
    assert ask.done("POST", "/instances", json=an_instance("a", "99:00.0")) == (200, "")

    assert switched(ask, "a", "start") == (
        400,
        'Failed to start device "gpu0": Invalid PCI address (no device found): 0000:99:00.0',
    )


@pytest.mark.parametrize(
    ("wish", "status", "words"),
    [
        ({"source": {"type": "image", "alias": "nope"}}, 404, "Image alias not found"),
        ({"profiles": ["nope"]}, 500, 'Requested profile "nope" doesn\'t exist'),
        ({"name": "a_b"}, 400, "Invalid instance name"),
    ],
)
def test_wishes_that_cannot_come_true_are_refused_at_once(ask, wish, status, words):
    answer = ask("POST", "/instances", json=an_instance("a") | wish)

    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_a_second_instance_of_a_name_is_refused(ask):
    ask.done("POST", "/instances", json=an_instance("a"))

    code, words = ask.done("POST", "/instances", json=an_instance("a"))

    assert code == 400
    assert 'This "instances" entry already exists' in words


def test_a_running_instance_is_not_deleted(ask):
    ask.done("POST", "/instances", json=an_instance("a"))
    switched(ask, "a", "start")

    answer = ask("DELETE", "/instances/a")

    assert (answer.status_code, answer.json()["error"]) == (400, "Instance is running")


def test_a_change_with_an_old_etag_is_refused(ask):
    ask.done("POST", "/instances", json=an_instance("a"))
    etag = ask("GET", "/instances/a").headers["ETag"]
    change = {"config": {"user.x": "1"}}

    assert ask("PATCH", "/instances/a", json=change, headers={"If-Match": etag}).status_code == 200
    again = ask("PATCH", "/instances/a", json=change, headers={"If-Match": etag})

    assert again.status_code == 412
    assert "ETag doesn't match" in again.json()["error"]


def test_a_profile_gives_its_devices_to_its_instances(ask):
    gpu = {"type": "gpu", "gputype": "physical", "pci": "65:00.0"}
    ask("POST", "/profiles", json={"name": "gpu-1-65000", "devices": {"gpu": gpu}})
    ask.done("POST", "/instances", json=an_instance("a", profiles=["default", "gpu-1-65000"]))

    instance = ask("GET", "/instances/a").json()["metadata"]

    assert instance["devices"] == {}
    assert instance["expanded_devices"] == {"gpu": gpu}


def test_files_are_written_read_and_deleted(ask):
    ask.done("POST", "/instances", json=an_instance("a"))
    where = {"params": {"path": "/root/note"}}

    assert ask("GET", "/instances/a/files", **where).status_code == 404
    ask("POST", "/instances/a/files", data=b"hello", headers={"X-LXD-mode": "0600"}, **where)
    answer = ask("GET", "/instances/a/files", **where)
    assert (answer.content, answer.headers["X-LXD-mode"]) == (b"hello", "0600")
    assert ask("GET", "/instances/a/files", params={"path": "/root"}).json()["metadata"] == ["note"]
    ask("DELETE", "/instances/a/files", **where)
    assert ask("GET", "/instances/a/files", **where).status_code == 404


def test_a_taken_port_stops_an_instance_from_starting(ask):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"tcp:127.0.0.1:{taken.getsockname()[1]}"
        proxy = {"type": "proxy", "listen": listen, "connect": "tcp:127.0.0.1:22"}
        ask.done("POST", "/instances", json=an_instance("a") | {"devices": {"ssh": proxy}})

        code, words = switched(ask, "a", "start")

    assert code == 400
    assert "address already in use" in words


def test_a_stranger_sees_the_server_and_nothing_else(lxd):
    with requests.Session() as stranger:
        stranger.trust_env, stranger.verify = False, str(lxd.folder / "server.crt")

        assert stranger.get(f"{lxd.url}/1.0", timeout=30).json()["metadata"]["auth"] == "untrusted"
        assert stranger.get(f"{lxd.url}/1.0/instances", timeout=30).status_code == 403


def test_a_restricted_certificate_sees_its_projects_only(lxd, ask, tmp_path):
    for name in ("lent", "private"):
        ask("POST", "/projects", json={"name": name})
        ask.done("POST", "/instances", params={"project": name}, json=an_instance("a"))
    pair = self_signed("restricted")
    lxd.trust.add(pair.certificate, projects=["lent"])

    with session_of(lxd, pair, tmp_path / "restricted") as restricted:
        assert restricted("GET", "/projects").json()["metadata"] == ["/1.0/projects/lent"]
        assert restricted("GET", "/instances", params={"project": "lent"}).json()["metadata"]
        assert restricted("GET", "/instances", params={"project": "private"}).status_code == 403
        assert restricted("GET", "/instances", params={"all-projects": "true"}).status_code == 403


def test_a_project_with_instances_is_not_removed(ask):
    ask("POST", "/projects", json={"name": "lent"})
    ask.done("POST", "/instances", params={"project": "lent"}, json=an_instance("a"))

    assert ask("DELETE", "/projects/lent").json()["error"] == "Only empty projects can be removed"


def test_a_restart_forgets_operations_and_leaves_instances_busy_for_a_while(lxd, ask):
    ask.done("POST", "/instances", json=an_instance("a"))
    answer = ask("PUT", "/instances/a/state", json={"action": "start"})
    operation = answer.json()["operation"].removeprefix("/1.0")
    ask("GET", f"{operation}/wait")
    lxd.restart(busy_s=60)

    assert ask("GET", operation).status_code == 404
    busy = ask("PUT", "/instances/a/state", json={"action": "stop", "force": True})
    assert 'Instance is busy running a "stop" operation' in busy.json()["error"]


def test_a_fault_strikes_as_often_as_it_was_told(lxd, ask):
    lxd.faults.add(Fault("refuse", match="POST /1.0/instances$", times=1, status=503, words="starting up"))

    assert ask("POST", "/instances", json=an_instance("a")).status_code == 503
    assert ask.done("POST", "/instances", json=an_instance("a")) == (200, "")


def test_what_the_state_file_keeps_is_there_after_a_restart_of_the_emulator(pair, folder, tmp_path):
    def emulator():
        return LxdEmulator(trust=[pair.certificate], folder=folder, state=tmp_path / "state.json")

    with emulator() as lxd, session_of(lxd, pair, tmp_path) as ask:
        ask.done("POST", "/instances", json=an_instance("a", config={"user.x": "1"}))
        switched(ask, "a", "start")
    with emulator() as lxd, session_of(lxd, pair, tmp_path) as ask:
        instance = ask("GET", "/instances/a").json()["metadata"]

    assert (instance["status"], instance["config"]["user.x"]) == ("Running", "1")


def test_the_command_says_when_it_is_ready_and_stops_when_told(pair, tmp_path):
    certificate, _ = pair.write(tmp_path, "client")
    server = tmp_path / "server"
    command = [sys.executable, "-m", "adapters.emulators.lxd", "--listen", "127.0.0.1:0"]
    command += ["--trust", str(certificate), "--certificate", str(server), "--gpu", "65:00.0=NVIDIA H100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            url = next(word for word in line.split() if word.startswith("https://")).rstrip(",")
            with requests.Session() as session:
                session.trust_env, session.verify = False, str(server / "server.crt")
                session.cert = (str(tmp_path / "client.crt"), str(tmp_path / "client.key"))
                cards = session.get(f"{url}/1.0/resources", timeout=30).json()["metadata"]["gpu"]["cards"]
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()

    assert [card["pci_address"] for card in cards] == [H100]
