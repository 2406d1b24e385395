"""The wire to an LXD project of somebody else: its marks, its profiles, one instance of it changed as a whole."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from math import ceil
from typing import Any

from adapters.contract import Secrets
from adapters.errors import DeviceRefused, InvalidSettings, OutcomeUnknown
from adapters.gpu_lxd.client import LxdClient
from adapters.gpu_lxd.settings import LxdSettings

Record = dict[str, Any]
"""What can be written of an instance: `config`, `devices`, `profiles` and their like."""

_WRITABLE = ("architecture", "config", "devices", "ephemeral", "profiles", "stateful", "description")


class ProjectClient(LxdClient):
    """A connection whose instances are those of the holder's project."""

    def __init__(self, *, settings: LxdSettings, secrets: Secrets, project: str) -> None:
        super().__init__(settings=replace(settings, project=project), secrets=secrets)

    def marks(self) -> Mapping[str, str]:
        """Return the project's configuration, in which the site's operator leaves marks."""
        name = self.settings.project
        try:
            with self.translated(f"read the project “{name}”", changes=False):
                config: Mapping[str, str] = self.get(self.lxd.api.projects[name]).get("config") or {}
        except InvalidSettings as error:
            raise DeviceRefused(f"SHARY has no rights in the LXD project “{name}”. {error}") from error
        return config

    def profiles(self) -> tuple[Mapping[str, Any], ...]:
        """Return the profiles that the project's instances can have."""
        with self.translated("list the profiles", changes=False):
            return tuple(self.get(self.lxd.api.profiles, recursion=1, **self._project()))

    def is_ephemeral(self, name: str) -> bool:
        """Say whether LXD deletes the instance when it stops."""
        with self.translated(f"look at the instance “{name}”", changes=False):
            record, _ = self._record(name)
            return bool(record.get("ephemeral"))

    def edit(self, name: str, change: Callable[[Record], None]) -> None:
        """Change an instance's record in one step, and only if nobody else changes it at the same time.

        `change` works on the record in place, and makes no difference the second time.
        """

        def done() -> bool:
            record, _ = self._record(name)
            return _changed(record, change) == record

        with self.translated(f"look at the instance “{name}”", changes=False):
            if done():
                return
        self.change(f"change the instance “{name}”", lambda: self._put(name, change), seen=done)
        with self.translated(f"look at the changed instance “{name}”", changes=True):
            if not done():
                raise OutcomeUnknown(
                    f"LXD says that it changed {self.settings.project}/{name}, but does not show it."
                )

    def shut_down(self, name: str) -> None:
        """Let an instance shut down, and cut its power when it takes too long."""
        # LXD takes a time of 0 for no limit.
        patience = max(1, ceil(min(self.settings.shutdown_s, self.settings.settle_s)))
        wish = {"action": "stop", "force": False, "timeout": patience}

        def stopped() -> bool:
            found = self.instance(name)
            return found is None or not found.is_running

        try:
            self.change(
                f"shut down the instance “{name}”",
                lambda: self._at(name).state.put(json=wish, params=self._project()),
                seen=stopped,
            )
        except (DeviceRefused, OutcomeUnknown):
            if not stopped():
                self.stop(name)
        if not stopped():
            raise OutcomeUnknown(
                f"LXD says that it stopped {self.settings.project}/{name}, but shows it running."
            )

    def _record(self, name: str) -> tuple[Record, str]:
        answer = self._at(name).get(params=self._project())
        metadata = answer.json()["metadata"]
        return {key: metadata[key] for key in _WRITABLE if key in metadata}, answer.headers.get("ETag", "")

    def _put(self, name: str, change: Callable[[Record], None]) -> Any:
        record, mark = self._record(name)
        return self._at(name).put(
            json=_changed(record, change), params=self._project(), headers={"If-Match": mark}
        )


def _changed(record: Record, change: Callable[[Record], None]) -> Record:
    wanted = deepcopy(record)
    change(wanted)
    return wanted
