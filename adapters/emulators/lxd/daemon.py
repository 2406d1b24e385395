"""The rules of the daemon: what it does with instances, and what it refuses."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from adapters.emulators.lxd.devices import check_card, check_devices, check_networks
from adapters.emulators.lxd.nouns import (
    Devices,
    File,
    HostCard,
    Instance,
    Network,
    Profile,
    Project,
    Rules,
    cards_named,
    is_name,
    texts,
)
from adapters.emulators.lxd.operations import Operation, Operations
from adapters.emulators.lxd.refusal import Refusal
from adapters.emulators.lxd.restrictions import check_restrictions
from adapters.emulators.lxd.ssh import SshServers
from adapters.emulators.lxd.state import load, save

_DOING = {"start": "Starting instance", "stop": "Stopping instance", "restart": "Restarting instance"}


class Daemon:
    """An LXD daemon without containers: it keeps their records and answers ssh for them."""

    def __init__(
        self,
        *,
        cards: Iterable[HostCard] = (),
        images: Iterable[str] = (),
        name: str = "lxd-emulator",
        state: Path | None = None,
        delay_s: float = 0.01,
    ) -> None:
        self.name = name
        self.cards = list(cards)
        self.images = list(images)
        self.delay_s = delay_s
        """How long each background operation takes."""
        self.changes = 0
        self.operations = Operations()
        self.lock = threading.RLock()
        self.projects = {"default": Project("default", profiles={"default": Profile("default")})}
        self.instances: dict[tuple[str, str], Instance] = {}
        self.networks: dict[str, Network] = {}
        self.rules: dict[str, Rules] = {}
        self.stuck_cards: set[str] = set()
        """Cards that a stopped virtual machine did not give back."""
        self.keep_cards_on_stop = 0
        """How many times more a virtual machine that stops does not give its cards back."""
        self._busy: dict[tuple[str, str], tuple[str, float]] = {}
        self._ssh = SshServers()
        self._state = state
        if state is not None and state.exists():
            self.projects, self.instances = load(state)
            for instance in self.instances.values():
                if instance.running:
                    instance.running = False
                    self._power_on(instance)

    def close(self) -> None:
        """End all sessions and operations."""
        self.operations.join()
        self._ssh.close()

    # --- questions ------------------------------------------------------------------------------

    def project(self, name: str) -> Project:
        """Return a project by name."""
        if name not in self.projects:
            raise Refusal(404, "Project not found")
        return self.projects[name]

    def profile(self, project: str, name: str) -> Profile:
        """Return a profile by name."""
        profiles = self.project(project).profiles
        if name not in profiles:
            raise Refusal(404, "Profile not found")
        return profiles[name]

    def instance(self, project: str, name: str) -> Instance:
        """Return an instance by name."""
        self.project(project)
        if (project, name) not in self.instances:
            raise Refusal(404, "Instance not found")
        return self.instances[project, name]

    def answer(self, instance: Instance) -> dict[str, Any]:
        """Return an instance as the API shows it, with what its profiles add."""
        config: dict[str, str] = {}
        for name in instance.profiles:
            config |= self.profile(instance.project, name).config
        return instance.answer(config | instance.config, self.devices_of(instance))

    def devices_of(self, instance: Instance) -> Devices:
        """Return the devices of an instance, with those of its profiles."""
        devices: Devices = {}
        for name in instance.profiles:
            devices |= self.profile(instance.project, name).devices
        return devices | instance.devices

    def cards_of(self, instance: Instance) -> list[HostCard]:
        """Return the cards inside a running instance."""
        chosen = [
            card
            for device in self.devices_of(instance).values()
            if device.get("type") == "gpu"
            for card in cards_named(device, self.cards)
        ]
        return [card for card in self.cards if card in chosen]

    def passed_through(self) -> set[str]:
        """Return the addresses of the cards that a virtual machine has."""
        machines = [one for one in self.instances.values() if one.running and one.type == "virtual-machine"]
        return self.stuck_cards | {card.pci for machine in machines for card in self.cards_of(machine)}

    # --- changes to instances -------------------------------------------------------------------

    def create(self, project: str, wish: Mapping[str, Any]) -> Operation:
        """Begin to make an instance."""
        profiles = wish.get("profiles")
        instance = Instance(
            name=wish.get("name") or f"instance-{len(self.instances) + 1}",
            project=project,
            type=wish.get("type") or "container",
            description=wish.get("description") or "",
            config=texts(wish.get("config")),
            devices={name: texts(device) for name, device in (wish.get("devices") or {}).items()},
            profiles=["default"] if profiles is None else list(profiles),
        )
        self.project(project)
        if not is_name(instance.name):
            raise Refusal(
                400, "Invalid instance name: Name can only contain alphanumeric and hyphen characters"
            )
        for name in instance.profiles:
            if name not in self.project(project).profiles:
                raise Refusal(500, f'Requested profile "{name}" doesn\'t exist')
        alias = (wish.get("source") or {}).get("alias")
        if (wish.get("source") or {}).get("type") == "image" and alias not in self.images:
            raise Refusal(404, "Image alias not found")

        check_restrictions(self.project(project), instance, self.devices_of(instance), self._in(project))

        def work() -> None:
            with self.lock:
                failed = "Failed creating instance record: "
                check_devices(instance, failed)
                check_networks(self.devices_of(instance), self.networks, failed)
                if instance.key in self.instances:
                    raise Refusal(
                        409,
                        "Failed creating instance record: Add instance info to the database: "
                        'This "instances" entry already exists',
                    )
                self.instances[instance.key] = instance
                self._changed()

        return self._begin("Creating instance", "create", instance, work)

    def update(
        self, instance: Instance, wish: Mapping[str, Any], *, replace: bool, if_match: str | None
    ) -> None:
        """Change configuration, devices and profiles: all of them, or those that are named."""
        with self.lock:
            if if_match is not None and if_match.strip('"') != instance.etag():
                raise Refusal(412, f"ETag doesn't match: {instance.etag()} vs {if_match}")
            self._refuse_busy(instance)
            before = (instance.config, instance.devices, instance.profiles, instance.description)
            plugged = self.devices_of(instance)
            config, devices = texts(wish.get("config")), wish.get("devices") or {}
            instance.config = config if replace else instance.config | config
            new = {name: texts(device) for name, device in devices.items()}
            instance.devices = new if replace else instance.devices | new
            instance.profiles = list(wish.get("profiles", [] if replace else instance.profiles))
            instance.description = str(wish.get("description", "" if replace else instance.description))
            try:
                check_devices(instance)
                if instance.running and self.devices_of(instance) != plugged:
                    self._hot_plug(instance, plugged)
            except Refusal:
                instance.config, instance.devices, instance.profiles, instance.description = before
                raise
            if before != (instance.config, instance.devices, instance.profiles, instance.description):
                self._changed()

    def switch(self, instance: Instance, action: str, *, force: bool) -> Operation:
        """Begin to start, stop or restart an instance."""
        if action not in ("start", "stop", "restart"):
            raise Refusal(400, f"Unknown action: '{action}'")

        def work() -> None:
            with self.lock:
                if action == "start" and instance.running:
                    raise Refusal(400, "The instance is already running")
                if action != "start" and not instance.running:
                    raise Refusal(400, "The instance is already stopped")
                if action != "start":
                    self._power_off(instance)
                if action != "stop":
                    self._power_on(instance)
                self._changed()

        return self._begin(_DOING[action], action, instance, work)

    def delete(self, instance: Instance) -> Operation:
        """Begin to delete a stopped instance."""
        if instance.running:
            raise Refusal(400, "Instance is running")

        def work() -> None:
            with self.lock:
                if self.instances.pop(instance.key, None) is None:
                    raise Refusal(404, "Instance not found")
                self._changed()

        return self._begin("Deleting instance", "delete", instance, work)

    # --- files ----------------------------------------------------------------------------------

    def file(self, instance: Instance, path: str) -> File:
        """Return a file of an instance."""
        self._refuse_absent_agent(instance)
        if path not in instance.files:
            raise Refusal(404, "Not Found")
        return instance.files[path]

    def entries(self, instance: Instance, path: str) -> list[str]:
        """Return the names in a folder."""
        below = path.rstrip("/") + "/"
        inside = [file.removeprefix(below) for file in instance.files if file.startswith(below)]
        return sorted(name for name in inside if name and "/" not in name)

    def write_file(self, instance: Instance, path: str, file: File) -> None:
        """Write a file, or make a folder."""
        with self.lock:
            self._refuse_absent_agent(instance)
            folder = path.rpartition("/")[0] or "/"
            if not path.startswith("/") or folder not in instance.files:
                raise Refusal(404, "Not Found")
            if file.kind == "directory" and path in instance.files:
                return
            instance.files[path] = file
            self._changed()

    def delete_file(self, instance: Instance, path: str) -> None:
        """Delete a file."""
        with self.lock:
            self.file(instance, path)
            del instance.files[path]
            self._changed()

    # --- what happens to the machine --------------------------------------------------------------

    def restart(self, *, busy_s: float = 0.0) -> None:
        """Start the daemon again: operations are forgotten, instances run on, busy for a while."""
        with self.lock:
            self.operations.forget()
            for key, instance in self.instances.items():
                if instance.running and busy_s:
                    self._busy[key] = ("stop", time.monotonic() + busy_s)

    def reboot(self) -> None:
        """Start the whole host again: sessions are gone, and what ran before runs again."""
        with self.lock:
            self.operations.forget()
            for instance in self.instances.values():
                if instance.running:
                    self._power_off(instance)
                    self._power_on(instance)

    def keys_of(self, key: tuple[str, str], username: str) -> str:
        """Return the keys that an account inside an instance accepts."""
        # Without the lock: whoever holds it may be waiting for the ssh servers, who ask this.
        home = "/root" if username == "root" else f"/home/{username}"
        instance = self.instances.get(key)
        file = instance.files.get(f"{home}/.ssh/authorized_keys") if instance else None
        return file.content if file else ""

    # --- underneath -----------------------------------------------------------------------------

    def _begin(self, description: str, verb: str, instance: Instance, work: Callable[[], None]) -> Operation:
        with self.lock:
            self._refuse_busy(instance)
            mark = (verb, float("inf"))
            self._busy[instance.key] = mark

        def run() -> None:
            try:
                work()
            finally:
                with self.lock:
                    if self._busy.get(instance.key) is mark:
                        del self._busy[instance.key]

        return self.operations.begin(description, instance.name, run, after_s=self.delay_s)

    def _in(self, project: str) -> list[Instance]:
        return [instance for instance in self.instances.values() if instance.project == project]

    def _refuse_busy(self, instance: Instance) -> None:
        verb, until = self._busy.get(instance.key, ("", 0.0))
        if until > time.monotonic():
            raise Refusal(500, f'Instance is busy running a "{verb}" operation')

    def _refuse_absent_agent(self, instance: Instance) -> None:
        if instance.type == "virtual-machine" and not instance.running:
            raise Refusal(500, "Failed to connect to instance SFTP: LXD VM agent isn't currently running")

    def _power_on(self, instance: Instance) -> None:
        # A card that was kept goes to the next machine; one in a machine that runs does not.
        taken = self.passed_through() - self.stuck_cards
        for name, device in self.devices_of(instance).items():
            check_card(instance, name, device, self.cards, taken)
        try:
            for device in self.devices_of(instance).values():
                self._listen(instance, device)
        except Refusal:
            self._ssh.cut(instance.key)
            raise
        instance.running = True
        instance.config["volatile.last_state.power"] = "RUNNING"

    def _power_off(self, instance: Instance) -> None:
        self._ssh.cut(instance.key)
        if instance.type == "virtual-machine":
            cards = {card.pci for card in self.cards_of(instance)}
            self.stuck_cards = self.stuck_cards | cards if self.keep_cards_on_stop else self.stuck_cards - cards
            self.keep_cards_on_stop = max(0, self.keep_cards_on_stop - 1)
        instance.running = False
        instance.config["volatile.last_state.power"] = "STOPPED"

    def _hot_plug(self, instance: Instance, before: Devices) -> None:
        after = self.devices_of(instance)
        for name, device in before.items():
            if after.get(name) != device and device.get("type") == "gpu" and not _is_hot(instance, device):
                raise Refusal(
                    500,
                    f'Failed to stop device "{name}": Device cannot be stopped when instance is running',
                )
        for name, device in after.items():
            if before.get(name) == device:
                continue
            failed = f'Failed to start device "{name}": '
            if device.get("type") == "gpu" and not _is_hot(instance, device):
                raise Refusal(500, failed + "Device cannot be started when instance is running")
            check_card(instance, name, device, self.cards, self.passed_through(), status=500)
            if device.get("type") == "proxy":
                self._ssh.cut(instance.key)
                try:
                    self._listen(instance, device)
                except Refusal as refusal:
                    raise Refusal(500, failed + refusal.words) from refusal

    def _listen(self, instance: Instance, device: dict[str, str]) -> None:
        if device.get("type") != "proxy" or not device.get("connect", "").endswith(":22"):
            return
        host, _, port = device["listen"].removeprefix("tcp:").rpartition(":")
        key = instance.key
        try:
            self._ssh.listen(
                key,
                host=host.strip("[]"),
                port=int(port),
                hostname=instance.name,
                keys_of=lambda username: self.keys_of(key, username),
                cards_of=lambda: self.cards_of(self.instances[key]),
            )
        except OSError as error:
            raise Refusal(
                400,
                f"Error occurred when starting proxy device: Error: Failed to listen on {host}:{port}: "
                f"listen tcp {host}:{port}: bind: address already in use",
            ) from error

    def _changed(self) -> None:
        self.changes += 1
        if self._state is None:
            return
        save(self._state, self.projects.values(), self.instances.values())

    def saved(self) -> None:
        """Count a change that was made to a project or a profile, and keep it."""
        with self.lock:
            self._changed()


def _is_hot(instance: Instance, device: Mapping[str, str]) -> bool:
    return instance.type == "container" and device.get("gputype", "physical") == "physical"
