"""Storage under `/1.0`: one pool, and custom volumes that are only names."""

from adapters.emulators.lxd.daemon import Daemon
from adapters.emulators.lxd.messages import Answer, Request, Table
from adapters.emulators.lxd.refusal import Refusal


class VolumeRoutes:
    """Answers for the storage pool `default` and the custom volumes in it."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        below = "/1.0/storage-pools/default/volumes"
        self.table: Table = [
            ("GET", "/1.0/storage-pools", self.pools),
            ("GET", f"{below}/custom", self.volumes),
            ("POST", below, self.add),
            ("POST", f"{below}/custom", self.add),
            ("GET", f"{below}/custom/([^/]+)", self.volume),
            ("DELETE", f"{below}/custom/([^/]+)", self.remove),
        ]

    def pools(self, request: Request) -> Answer:
        return ["/1.0/storage-pools/default"]

    def volumes(self, request: Request) -> Answer:
        names = self.daemon.project(request.project).volumes
        return [f"/1.0/storage-pools/default/volumes/custom/{name}" for name in names]

    def volume(self, request: Request, name: str) -> Answer:
        if name not in self.daemon.project(request.project).volumes:
            raise Refusal(404, "Storage pool volume not found")
        return {"name": name, "type": "custom", "config": {}, "used_by": [], "project": request.project}

    def add(self, request: Request) -> Answer:
        volumes, name = self.daemon.project(request.project).volumes, request.json["name"]
        if name in volumes:
            raise Refusal(409, "Volume by that name already exists")
        volumes.append(name)
        self.daemon.saved()
        return {}

    def remove(self, request: Request, name: str) -> Answer:
        self.volume(request, name)
        self.daemon.project(request.project).volumes.remove(name)
        self.daemon.saved()
        return {}
