"""What we ask of an LXD server: instances, their files, its graphics cards."""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from pylxd.exceptions import LXDAPIException, NotFound

from adapters.contract import Secrets
from adapters.errors import DeviceBusy, DeviceRefused
from adapters.gpu_lxd.instance import Card, Instance
from adapters.gpu_lxd.settings import LxdSettings
from adapters.gpu_lxd.wire import LxdWire
from adapters.pci import normal_form


class LxdClient(LxdWire):
    """A fresh connection to the LXD server of a site."""

    def __init__(self, *, settings: LxdSettings, secrets: Secrets) -> None:
        super().__init__(settings=settings, secrets=secrets)
        self.project = settings.project
        """The project in which instances are looked for by name, and changed."""

    # --- looking --------------------------------------------------------------------------------

    def instance(self, name: str) -> Instance | None:
        """Return the instance of our project, or None when LXD says that there is none."""
        with self.translated(f"look at the instance “{name}”", changes=False):
            try:
                return Instance.read(self.get(self._at(name), project=self.project))
            except NotFound:
                return None

    def instances(self) -> tuple[Instance, ...]:
        """Return all instances of all projects that our certificate may see."""
        with self.translated("list the instances", changes=False):
            try:
                answer = self.get(self.lxd.api.instances, recursion=1, **{"all-projects": "true"})
            except LXDAPIException as error:
                # A certificate that is restricted to projects may not ask for all of them at once.
                if error.response.status_code not in (400, 403):
                    raise
                answer = [
                    entry
                    for project in self.projects()
                    if any(used.startswith("/1.0/instances/") for used in project.get("used_by") or ())
                    for entry in self.get(self.lxd.api.instances, recursion=1, project=project["name"])
                ]
            return tuple(Instance.read(entry) for entry in answer)

    def projects(self) -> Sequence[Mapping[str, Any]]:
        """Return the projects that our certificate may see, with what is in each of them."""
        with self.translated("list the projects", changes=False):
            answer: Sequence[Mapping[str, Any]] = self.get(self.lxd.api.projects, recursion=1)
        return answer

    def entry(self, place: str, *, project: str | None = None) -> Mapping[str, Any] | None:
        """Return what LXD keeps at a place such as `profiles/default`, or None when it keeps nothing there."""
        with self.translated(f"look at {place}", changes=False):
            try:
                answer: Mapping[str, Any] = self.get(
                    self.lxd.api[quote(place)], project=project or self.project
                )
            except NotFound:
                return None
            return answer

    def profile_devices(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the devices that profiles bring, the later one before the earlier one."""
        devices: dict[str, dict[str, str]] = {}
        for name in names:
            devices |= (self.entry(f"profiles/{name}") or {}).get("devices") or {}
        return devices

    def cards(self) -> dict[str, Card]:
        """Return the graphics cards of the server's machine by PCI address."""
        with self.translated("read the hardware", changes=False):
            listed = (self.get(self.lxd.api.resources).get("gpu") or {}).get("cards") or []
        cards = {}
        for entry in listed:
            if not entry.get("pci_address"):
                continue
            pci = normal_form(entry["pci_address"])
            nvidia = entry.get("nvidia") or {}
            drm_id = (entry.get("drm") or {}).get("id")
            cards[pci] = Card(
                pci=pci,
                model=nvidia.get("model") or entry.get("product") or entry.get("product_id") or "graphics card",
                uuid=nvidia.get("uuid") or "",
                driver=entry.get("driver") or "",
                drm_id="" if drm_id is None else str(drm_id),
                vendor_id=entry.get("vendor_id") or "",
                product_id=entry.get("product_id") or "",
            )
        return cards

    def state(self, instance: Instance) -> Mapping[str, Any]:
        """Return what a running instance uses of its host."""
        with self.translated(f"read the state of “{instance.label}”", changes=False):
            found: Mapping[str, Any] = self.get(self._at(instance.name).state, project=instance.project)
            return found

    def own_address(self, name: str) -> str | None:
        """Return the address under which a running instance is reached from outside."""
        with self.translated(f"read the addresses of “{name}”", changes=False):
            state = self.get(self._at(name).state, project=self.project)
        for interface, card in sorted((state.get("network") or {}).items()):
            for address in card.get("addresses") or [] if interface != "lo" else []:
                if address.get("scope") == "global":
                    return str(address["address"])
        return None

    def read_file(self, name: str, path: str) -> bytes | None:
        """Return a file of the instance, or None when it has none at that path."""
        with self.translated(f"read {path} in “{name}”", changes=False):
            try:
                answer = self._at(name).files.get(params={"path": path, "project": self.project}, is_api=False)
            except NotFound:
                return None
            content: bytes = answer.content
            return content

    def await_agent(self, name: str) -> None:
        """Wait until the agent in a virtual machine answers, without which no file can be written."""
        deadline = time.monotonic() + self.settings.settle_s
        while True:
            try:
                self.read_file(name, "/")
            except (DeviceBusy, DeviceRefused):
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
            else:
                return

    # --- changing -------------------------------------------------------------------------------

    def create(self, wish: Mapping[str, Any]) -> None:
        """Make an instance; one that is there already under this name is left as it is."""
        name = str(wish["name"])
        try:
            self.change(
                f"make the instance “{name}”",
                lambda: self.lxd.api.instances.post(json=dict(wish), params=self._project()),
                seen=lambda: self.instance(name) is not None,
            )
        except DeviceRefused as error:
            # The caller compares the tags of what is there.
            if "already exists" not in str(error):
                raise

    def make(self, kind: str, wish: Mapping[str, Any]) -> bool:
        """Make a profile, a network or rules for one; say whether it was made or was there already."""
        place = f"{kind}/{wish['name']}"
        try:
            self.change(
                f"make {place}",
                lambda: self.lxd.api[kind].post(json=dict(wish), params=self._project()),
                seen=lambda: self.entry(place) is not None,
            )
        except DeviceRefused as error:
            if "already exists" not in str(error):
                raise
            return False
        return True

    def drop(self, place: str) -> None:
        """Delete what LXD keeps at a place; what is gone is fine."""

        def seen() -> bool:
            return self.entry(place) is None

        try:
            self.change(
                f"delete {place}",
                lambda: self.lxd.api[quote(place)].delete(params=self._project()),
                seen=seen,
            )
        except DeviceRefused:
            if not seen():
                raise

    def patch(self, name: str, wish: Mapping[str, Any]) -> None:
        """Change single keys of an instance's configuration or single devices of it."""
        self.change(
            f"change the instance “{name}”",
            lambda: self._at(name).patch(json=dict(wish), params=self._project()),
            seen=lambda: self.instance(name) is not None,
        )

    def start(self, name: str) -> None:
        """Start an instance; a running one is left alone."""
        self._switch(name, "start", running=True)

    def stop(self, name: str) -> None:
        """Stop an instance at once, as if its power failed; a stopped one is left alone."""
        self._switch(name, "stop", running=False)

    def delete(self, name: str) -> None:
        """Delete a stopped instance; one that is gone is fine."""

        def seen() -> bool:
            return self.instance(name) is None

        try:
            self.change(
                f"delete the instance “{name}”",
                lambda: self._at(name).delete(params=self._project()),
                seen=seen,
            )
        except DeviceRefused:
            if not seen():
                raise

    def write_file(self, name: str, path: str, content: str, *, uid: int) -> None:
        """Write a file that only its owner can read, and make its folder if it has none."""
        folder = path.rpartition("/")[0]
        if self.read_file(name, folder) is None:
            self._post_file(name, folder, "", uid=uid, kind="directory", mode="0700")
        self._post_file(name, path, content, uid=uid, kind="file", mode="0600")

    def _post_file(self, name: str, path: str, content: str, *, uid: int, kind: str, mode: str) -> None:
        headers = {
            "X-LXD-type": kind,
            "X-LXD-mode": mode,
            "X-LXD-uid": str(uid),
            "X-LXD-gid": str(uid),
            "X-LXD-write": "overwrite",
            "Content-Type": "application/octet-stream",
        }
        with self.translated(f"write {path} in “{name}”", changes=True):
            self._at(name).files.post(
                params=self._project() | {"path": path}, data=content.encode(), headers=headers
            )

    # --- underneath -----------------------------------------------------------------------------

    def _switch(self, name: str, action: str, *, running: bool) -> None:
        def seen() -> bool:
            instance = self.instance(name)
            return instance is not None and (instance.status == ("Running" if running else "Stopped"))

        wish = {"action": action, "force": not running, "timeout": int(self.settings.settle_s) or 1}
        try:
            self.change(
                f"{action} the instance “{name}”",
                lambda: self._at(name).state.put(json=wish, params=self._project()),
                seen=seen,
            )
        except DeviceRefused:
            # “The instance is already running” and its like: what counts is how it is now.
            if not seen():
                raise

    def _at(self, name: str) -> Any:
        return self.lxd.api.instances[name]

    def _project(self) -> dict[str, str]:
        return {"project": self.project}
