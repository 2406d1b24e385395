"""The resources under `/1.0`: which request does what."""

import base64
import re
from typing import Any

from adapters.emulators.lxd.daemon import Daemon
from adapters.emulators.lxd.load import load_of
from adapters.emulators.lxd.messages import EXTENSIONS, Answer, Handler, Marked, Raw, Request
from adapters.emulators.lxd.networks import NetworkRoutes
from adapters.emulators.lxd.nouns import File, Instance
from adapters.emulators.lxd.operations import Operation
from adapters.emulators.lxd.projects import ProjectRoutes
from adapters.emulators.lxd.refusal import Refusal
from adapters.emulators.lxd.trust import Client, TrustStore
from adapters.emulators.lxd.volumes import VolumeRoutes


class Routes:
    """Finds the handler of a request and calls it."""

    def __init__(self, daemon: Daemon, trust: TrustStore) -> None:
        self.daemon = daemon
        self.trust = trust
        name = r"([^/]+)"
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/1.0/resources", self.resources),
            ("GET", "/1.0/certificates", self.certificates),
            ("POST", "/1.0/certificates", self.add_certificate),
            ("GET", f"/1.0/certificates/{name}", self.certificate),
            ("DELETE", f"/1.0/certificates/{name}", self.remove_certificate),
            ("GET", "/1.0/images", self.images),
            ("GET", "/1.0/images/aliases", self.aliases),
            ("GET", r"/1.0/images/aliases/(.+)", self.alias),
            ("GET", "/1.0/operations", self.operations),
            ("GET", f"/1.0/operations/{name}", self.operation),
            ("GET", f"/1.0/operations/{name}/wait", self.wait),
            ("GET", "/1.0/instances", self.instances),
            ("POST", "/1.0/instances", self.create),
            ("GET", f"/1.0/instances/{name}", self.instance),
            ("PUT", f"/1.0/instances/{name}", self.replace),
            ("PATCH", f"/1.0/instances/{name}", self.patch),
            ("DELETE", f"/1.0/instances/{name}", self.delete),
            ("GET", f"/1.0/instances/{name}/state", self.state),
            ("PUT", f"/1.0/instances/{name}/state", self.switch),
            ("GET", f"/1.0/instances/{name}/files", self.read_file),
            ("POST", f"/1.0/instances/{name}/files", self.write_file),
            ("DELETE", f"/1.0/instances/{name}/files", self.delete_file),
        ]
        table += ProjectRoutes(daemon).table + NetworkRoutes(daemon).table + VolumeRoutes(daemon).table
        self._table = [(method, re.compile(pattern), handler) for method, pattern, handler in table]

    def answer(self, request: Request) -> Answer:
        """Return what the request gives: metadata, an operation, a file; or raise a refusal."""
        if request.path in ("/1.0", "/1.0/"):
            return self.server(request)
        if request.client is None:
            raise Refusal(403, "not authorized")
        if not _may(request.client, request):
            raise Refusal(403, "not authorized")
        for method, pattern, handler in self._table:
            found = pattern.fullmatch(request.path)
            if found and method == request.method:
                return handler(request, *found.groups())
        raise Refusal(404, "not found")

    # --- the server -------------------------------------------------------------------------------

    def server(self, request: Request) -> Answer:
        """Say who this is; more to those who are trusted."""
        facts: dict[str, Any] = {
            "api_extensions": EXTENSIONS,
            "api_status": "stable",
            "api_version": "1.0",
            "auth": "trusted" if request.client else "untrusted",
            "auth_methods": ["tls"],
            "public": False,
        }
        if request.client:
            facts["config"] = {}
            facts["environment"] = {
                "server": "lxd",
                "server_name": self.daemon.name,
                "server_version": "5.0.2",
                "server_clustered": False,
                "project": request.project,
            }
        return facts

    def resources(self, request: Request) -> Answer:
        """List the host's cards, with the driver that has each of them."""
        taken = self.daemon.passed_through()
        cards = []
        for number, card in enumerate(self.daemon.cards):
            given = card.pci in taken
            entry: dict[str, Any] = {
                "driver": "vfio-pci" if given else "nvidia",
                "driver_version": "" if given else "580.159.04",
                "numa_node": 0,
                "pci_address": card.pci,
                "product": card.model,
                "product_id": card.product_id,
                "vendor": "NVIDIA Corporation",
                "vendor_id": card.vendor_id,
            }
            if not given:
                entry["drm"] = {"id": number, "card_name": f"card{number}"}
                entry["nvidia"] = {
                    "cuda_version": "13.0",
                    "nvrm_version": "580.159.04",
                    "brand": "Nvidia",
                    "model": card.model,
                    "uuid": card.serial_uuid,
                    "architecture": "9.0",
                }
            cards.append(entry)
        return {"gpu": {"cards": cards, "total": len(cards)}}

    # --- certificates -----------------------------------------------------------------------------

    def certificates(self, request: Request) -> Answer:
        if "recursion" in request.query:
            return [client.answer() for client in self.trust.clients.values()]
        return [f"/1.0/certificates/{mark}" for mark in self.trust.clients]

    def certificate(self, request: Request, mark: str) -> Answer:
        if mark not in self.trust.clients:
            raise Refusal(404, "Certificate not found")
        return self.trust.clients[mark].answer()

    def add_certificate(self, request: Request) -> Answer:
        wish = request.json
        projects = wish.get("projects") if wish.get("restricted") else None
        self.trust.add_der(
            base64.b64decode(wish.get("certificate", "")), name=wish.get("name", ""), projects=projects
        )
        return {}

    def remove_certificate(self, request: Request, mark: str) -> Answer:
        self.trust.remove(mark)
        return {}

    # --- images and operations ------------------------------------------------------------------------

    def images(self, request: Request) -> Answer:
        return [{"fingerprint": name, "aliases": [{"name": name}]} for name in self.daemon.images]

    def aliases(self, request: Request) -> Answer:
        return [f"/1.0/images/aliases/{name}" for name in self.daemon.images]

    def alias(self, request: Request, name: str) -> Answer:
        if name not in self.daemon.images:
            raise Refusal(404, "Image alias not found")
        return {"name": name, "target": name, "type": "container", "description": ""}

    def operations(self, request: Request) -> Answer:
        listed: dict[str, list[Any]] = {}
        for operation in self.daemon.operations.all():
            answer = operation.answer()
            entry = answer if "recursion" in request.query else f"/1.0/operations/{operation.id}"
            listed.setdefault(answer["status"].lower(), []).append(entry)
        return listed

    def operation(self, request: Request, identifier: str) -> Answer:
        return self.daemon.operations.get(identifier).answer()

    def wait(self, request: Request, identifier: str) -> Answer:
        operation = self.daemon.operations.get(identifier)
        seconds = int(request.query.get("timeout", "-1"))
        operation.finished.wait(None if seconds < 0 else seconds)
        return operation.answer()

    # --- instances --------------------------------------------------------------------------------------

    def instances(self, request: Request) -> Answer:
        if "all-projects" in request.query and "project" in request.query:
            raise Refusal(400, "Cannot specify a project when requesting all projects")
        everywhere = "all-projects" in request.query
        if everywhere and request.client and request.client.projects is not None:
            raise Refusal(403, "not authorized")
        with self.daemon.lock:
            seen = [
                instance
                for instance in self.daemon.instances.values()
                if request.client
                and (
                    request.client.may_see(instance.project)
                    if everywhere
                    else instance.project == request.project
                )
            ]
            if "recursion" in request.query:
                return [self.daemon.answer(instance) for instance in seen]
        return [f"/1.0/instances/{instance.name}" for instance in seen]

    def create(self, request: Request) -> Operation:
        return self.daemon.create(request.project, request.json)

    def instance(self, request: Request, name: str) -> Answer:
        with self.daemon.lock:
            instance = self._instance(request, name)
            return Marked(metadata=self.daemon.answer(instance), etag=instance.etag())

    def replace(self, request: Request, name: str) -> Answer:
        self._update(request, name, replace=True)
        # LXD answers a PUT with an operation, and a PATCH at once.
        return self.daemon.operations.pretend("Updating instance")

    def patch(self, request: Request, name: str) -> Answer:
        self._update(request, name, replace=False)
        return {}

    def delete(self, request: Request, name: str) -> Operation:
        return self.daemon.delete(self._instance(request, name))

    def state(self, request: Request, name: str) -> Answer:
        instance = self._instance(request, name)
        addresses = [{"family": "inet", "address": "127.0.0.1", "netmask": "8", "scope": "global"}]
        return {
            "status": "Running" if instance.running else "Stopped",
            "status_code": 103 if instance.running else 102,
            "pid": 4711 if instance.running else 0,
            "network": {"eth0": {"addresses": addresses, "state": "up"}} if instance.running else None,
        } | load_of(instance)

    def switch(self, request: Request, name: str) -> Operation:
        instance = self._instance(request, name)
        return self.daemon.switch(
            instance, request.json.get("action", ""), force=bool(request.json.get("force"))
        )

    def read_file(self, request: Request, name: str) -> Answer:
        instance, path = self._instance(request, name), _path(request)
        file = self.daemon.file(instance, path)
        return self.daemon.entries(instance, path) if file.kind == "directory" else Raw(file=file)

    def write_file(self, request: Request, name: str) -> Answer:
        headers = request.headers
        file = File(
            kind=headers.get("x-lxd-type", "file"),
            content=request.body.decode(errors="replace"),
            mode=headers.get("x-lxd-mode", "0700"),
            uid=int(headers.get("x-lxd-uid", "0")),
            gid=int(headers.get("x-lxd-gid", "0")),
        )
        self.daemon.write_file(self._instance(request, name), _path(request), file)
        return {}

    def delete_file(self, request: Request, name: str) -> Answer:
        self.daemon.delete_file(self._instance(request, name), _path(request))
        return {}

    def _instance(self, request: Request, name: str) -> Instance:
        return self.daemon.instance(request.project, name)

    def _update(self, request: Request, name: str, *, replace: bool) -> None:
        self.daemon.update(
            self._instance(request, name),
            request.json,
            replace=replace,
            if_match=request.headers.get("if-match"),
        )


def _may(client: Client, request: Request) -> bool:
    # The list of projects and the hardware belong to no project: everybody trusted may read them.
    open_to_all = request.path in ("/1.0/resources", "/1.0/projects") and request.method == "GET"
    by_itself = request.path.startswith("/1.0/operations") or "all-projects" in request.query
    return open_to_all or by_itself or client.may_see(request.project)


def _path(request: Request) -> str:
    path = request.query.get("path", "")
    if not path:
        raise Refusal(400, "Missing path argument")
    return path.rstrip("/") or "/"
