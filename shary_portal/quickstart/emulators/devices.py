"""All emulated devices: their ports, their processes, and what their sites must know of them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shary_portal.quickstart.emulators.gateway import SiteGateway
from shary_portal.quickstart.emulators.kinds import KINDS, Place
from shary_portal.quickstart.federation import EMULATORS, Emulator
from shary_portal.quickstart.ports import free_port, is_free
from shary_portal.quickstart.processes import Part
from shary_portal.quickstart.state import write_private


class EmulatedDevices:
    """Where each emulator listens, how it is started, and what its site must know of it."""

    def __init__(self, folder: Path, *, emulators: Iterable[Emulator] = EMULATORS) -> None:
        self.folder = folder
        self.emulators = tuple(emulators)
        self.ports: dict[str, int] = {}
        sites = dict.fromkeys(emulator.site for emulator in self.emulators if emulator.kind == "p4runtime")
        self.gateways = {site: SiteGateway(site, folder / f"{site}-gateway") for site in sites}
        self._note = folder / "ports.json"

    def lay_out(self) -> None:
        """Choose the ports, those of the last start where they are free, and make what is secret."""
        self.folder.mkdir(parents=True, exist_ok=True)
        known: dict[str, int] = json.loads(self._note.read_text()) if self._note.exists() else {}
        for slug in [emulator.slug for emulator in self.emulators] + [g.slug for g in self.gateways.values()]:
            port = known.get(slug, 0)
            while not port or port in self.ports.values() or not is_free(port):
                port = free_port()
            self.ports[slug] = port
        for emulator in self.emulators:
            place = self._place(emulator)
            place.folder.mkdir(parents=True, exist_ok=True)
            KINDS[emulator.kind].make_secrets(place)
        for gateway in self.gateways.values():
            gateway.lay_out(self.ports[gateway.slug])
        write_private(self._note, json.dumps(self.ports, indent=2))

    def folder_of(self, emulator: Emulator) -> Path:
        """Where an emulator keeps its state and its certificate."""
        return self.folder / emulator.slug

    def part(self, emulator: Emulator) -> Part:
        """Return the emulator's process."""
        return KINDS[emulator.kind].part(self._place(emulator))

    def parts(self) -> list[Part]:
        """Return the processes of all emulators, and the gateways in front of switches."""
        return [
            *(self.part(emulator) for emulator in self.emulators),
            *(gateway.part() for gateway in self.gateways.values()),
        ]

    def secrets_of(self, site: str) -> dict[str, Path]:
        """Return the secrets that a site's worker needs, by name, each in a file."""
        files = {
            self._place(emulator).secret(file): self.folder_of(emulator) / file
            for emulator in self.emulators
            if emulator.site == site
            for file in KINDS[emulator.kind].secret_files
        }
        return files | (self.gateways[site].secrets if site in self.gateways else {})

    def settings_of(self, emulator: Emulator) -> dict[str, Any]:
        """Return the adapter's settings for the device."""
        settings = KINDS[emulator.kind].settings(self._place(emulator))
        if emulator.kind == "p4runtime":
            settings |= self.gateways[emulator.site].settings
        return settings

    def _place(self, emulator: Emulator) -> Place:
        return Place(
            emulator=emulator,
            folder=self.folder_of(emulator),
            port=self.ports.get(emulator.slug, 0),
            number=self.emulators.index(emulator),
        )
