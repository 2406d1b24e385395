"""The two LXD servers that the same tests run on: the emulated one, and the real daemon."""

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from pylxd.client import get_session_for_url

from adapters.emulators.lxd import LxdEmulator
from adapters.emulators.lxd.certificates import der_of, fingerprint
from adapters.pci import normal_form
from tests.daemons.lxd import A100, H100, LxdDaemon

IMAGE = "ubuntu-gpu"


def a_span_of_ports() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        first = min(probe.getsockname()[1], 65000)
    return f"{first}-{first + 40}"


class Operator:
    """The operator of the server, who may do everything there; speaks plain REST."""

    def __init__(self, url: str, pinned: str, certificate: tuple[str, str]) -> None:
        self.url = url
        self.session = get_session_for_url(url, cert=certificate, verify=pinned)
        self.session.trust_env = False

    def ask(self, method: str, path: str, wish: Mapping[str, Any] | None = None, **query: str) -> Any:
        answer = self.session.request(
            method, f"{self.url}/1.0{path}", json=wish, params=query, timeout=30
        ).json()
        if answer["type"] == "error":
            raise LookupError(f"{method} {path}: {answer['error_code']} {answer['error']}")
        if answer["type"] == "async":
            place = answer["operation"].split("?")[0]
            done = self.session.get(f"{self.url}{place}/wait", params={"timeout": "20"}, timeout=30).json()
            if done["metadata"]["status_code"] != 200:
                raise LookupError(f"{method} {path}: {done['metadata']['err']}")
        return answer["metadata"]

    # --- what is there ----------------------------------------------------------------------------

    def projects(self) -> dict[str, dict[str, Any]]:
        return {entry["name"]: entry for entry in self.ask("GET", "/projects", recursion="1")}

    def instances(self) -> dict[tuple[str, str], dict[str, Any]]:
        entries = self.ask("GET", "/instances", **{"all-projects": "true", "recursion": "1"})
        return {(entry["project"], entry["name"]): entry for entry in entries}

    def names(self) -> list[str]:
        return sorted(f"{project}/{name}" for project, name in self.instances())

    def profiles(self, project: str) -> list[str]:
        return [entry["name"] for entry in self.ask("GET", "/profiles", project=project, recursion="1")]

    def work(self) -> str:
        """Return what the server is doing at this moment."""
        listed = self.ask("GET", "/operations", recursion="1")
        return ", ".join(one["description"] for one in listed.get("running") or [])

    def file(self, project: str, name: str, path: str) -> str:
        place = f"{self.url}/1.0/instances/{name}/files"
        answer = self.session.get(place, params={"path": path, "project": project}, timeout=10)
        return answer.text if answer.status_code == 200 else ""

    # --- what others do there -----------------------------------------------------------------------

    def add_project(self, name: str, **config: str) -> None:
        """Make a project of which the images are those of the server."""
        plain = {"features.images": "false", "features.profiles": "true"}
        if name not in self.projects():
            self.ask("POST", "/projects", {"name": name, "config": plain | config})
        root = {"type": "disk", "path": "/", "pool": "default"}
        self.ask("PUT", "/profiles/default", {"config": {}, "devices": {"root": root}}, project=name)

    def set_project(self, name: str, **config: str) -> None:
        self.ask("PATCH", f"/projects/{name}", {"config": self.projects()[name]["config"] | config})

    def add_profile(self, project: str, name: str, **devices: dict[str, str]) -> None:
        self.ask("POST", "/profiles", {"name": name, "config": {}, "devices": devices}, project=project)

    def put(
        self,
        name: str,
        *,
        project: str = "default",
        running: bool = True,
        devices: Mapping[str, Mapping[str, str]] | None = None,
        config: Mapping[str, str] | None = None,
        profiles: Sequence[str] = ("default",),
        kind: str = "container",
    ) -> str:
        """Make somebody else's instance; return how people call it."""
        if project not in self.projects():
            self.add_project(project)
        wish = {
            "name": name,
            "type": kind,
            "source": {"type": "image", "alias": IMAGE},
            "devices": devices or {},
            "config": config or {},
            "profiles": list(profiles),
        }
        self.ask("POST", "/instances", wish, project=project)
        if running:
            self.switch(name, "start", project=project)
        return f"{project}/{name}"

    def switch(self, name: str, action: str, *, project: str = "default") -> None:
        self.ask("PUT", f"/instances/{name}/state", {"action": action, "force": True}, project=project)

    def clear(self) -> None:
        """Delete what tests have made, in every project."""
        for (project, name), entry in self.instances().items():
            if entry["status"] != "Stopped":
                self.switch(name, "stop", project=project)
            self.ask("DELETE", f"/instances/{name}", project=project)
        for project, entry in self.projects().items():
            for used in entry["used_by"]:
                place = used.removeprefix("/1.0").split("?")[0]
                if place not in ("/profiles/default", "/profiles/straight") and not place.startswith(
                    "/images/"
                ):
                    self.ask("DELETE", quote(place), project=project)
            if project != "default":
                self.ask("DELETE", f"/projects/{project}")
        for kind in ("networks", "network-acls"):
            for entry in self.ask("GET", f"/{kind}", recursion="1"):
                if entry.get("managed", True):
                    self.ask("DELETE", f"/{kind}/{entry['name']}")


class EmulatedServer:
    """The emulated server, as the tests use both."""

    is_real = False

    def __init__(self, lxd: LxdEmulator, operator: Operator) -> None:
        self.lxd, self.operator = lxd, operator
        self.url, self.certificate = lxd.url, lxd.certificate

    @property
    def settings(self) -> dict[str, Any]:
        return self.forwarded | {"timeout_s": 1.0, "settle_s": 1.0}

    @property
    def forwarded(self) -> dict[str, Any]:
        ports = a_span_of_ports()
        return {"ssh_host": "127.0.0.1", "ssh_listen": "127.0.0.1", "ssh_ports": ports}

    def trust(self, certificate: str, *, projects: Sequence[str] | None = None) -> None:
        self.lxd.trust.add(certificate, projects=projects)

    def distrust(self, certificate: str) -> None:
        self.lxd.trust.remove(fingerprint(der_of(certificate)))

    def restart(self) -> None:
        self.lxd.restart(busy_s=0.1)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Have no server for a while."""
        self.lxd.break_with("unreachable")
        yield
        self.lxd.mend()

    def bind(self, pci: str, driver: str) -> None:
        stuck = self.lxd.daemon.stuck_cards
        (stuck.add if driver == "vfio-pci" else stuck.discard)(normal_form(pci))


class RealServer:
    """The real daemon, as the tests use both."""

    is_real = True

    def __init__(self, lxd: LxdDaemon, operator: Operator) -> None:
        self.lxd, self.operator = lxd, operator
        self.url, self.certificate = lxd.url, lxd.certificate

    def clear(self, trusted: str) -> None:
        """Leave the server as it was found: empty, with the cards on the host, and our client trusted."""
        self.operator.clear()
        for pci in (H100, A100):
            self.bind(pci, "nvidia")
        ours = self.operator.ask("GET", f"/certificates/{fingerprint(der_of(trusted))}")
        if ours is None or ours["restricted"]:
            self.trust(trusted)

    @property
    def settings(self) -> dict[str, Any]:
        # An address of its own, since LXD takes a second to forward a port.
        return {"profiles": ["default", "straight"], "timeout_s": 10.0, "settle_s": 10.0}

    @property
    def forwarded(self) -> dict[str, Any]:
        ports = a_span_of_ports()
        return {
            "ssh_host": self.lxd.address,
            "ssh_listen": self.lxd.address,
            "ssh_ports": ports,
            "profiles": ["default"],
        }

    def trust(self, certificate: str, *, projects: Sequence[str] = ()) -> None:
        self.distrust(certificate)
        self.lxd.trust(certificate, name="shary", projects=projects)

    def distrust(self, certificate: str) -> None:
        mark = fingerprint(der_of(certificate))
        if any(
            entry["fingerprint"] == mark for entry in self.operator.ask("GET", "/certificates", recursion="1")
        ):
            self.lxd.distrust(mark)

    def restart(self) -> None:
        self.lxd.restart()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Have no server for a while; its containers run on."""
        self.lxd.kill()
        yield
        self.lxd.start()

    def bind(self, pci: str, driver: str) -> None:
        self.lxd.bind(pci, driver)
