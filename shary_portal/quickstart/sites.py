"""The demonstration's sites: a folder, a key and a configuration file for each site's worker."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from adapters.contract.wire import new_key, private_key, public_text
from shary_portal.quickstart.emulators import EmulatedDevices
from shary_portal.quickstart.federation import SITES
from shary_portal.quickstart.inventory import inventory
from shary_portal.quickstart.processes import Part
from shary_portal.quickstart.state import write_private


class DemonstrationSites:
    """What each site's worker is started with."""

    def __init__(self, folder: Path, *, broker_url: str, hub_public_key: str) -> None:
        self.folder = folder
        self.broker_url = broker_url
        self.hub_public_key = hub_public_key

    @property
    def inventory_file(self) -> Path:
        """What the portal must know of sites and devices; read by `load_demonstration`."""
        return self.folder / "inventory.json"

    @property
    def ssh_key_file(self) -> Path:
        """The demonstration's holders' private key, so that one can log in where they are let in."""
        return self.folder / "id_ed25519"

    def lay_out(self, devices: EmulatedDevices, *, home: Mapping[str, str] | None = None) -> None:
        """Write each site's configuration, and the inventory for the portal."""
        public_keys = {}
        for site in SITES:
            folder = self.folder / site.slug
            folder.mkdir(parents=True, exist_ok=True)
            key_file = folder / "site.key"
            if not key_file.exists():
                write_private(key_file, new_key())
            public_keys[site.slug] = public_text(private_key(key_file.read_text()))
            secrets = "".join(
                f"{json.dumps(name)} = {{ file = {json.dumps(str(path))} }}\n"
                for name, path in devices.secrets_of(site.slug).items()
            )
            write_private(
                folder / "site.toml",
                f"# Made by `make run`, anew at each start.\n"
                f"site = {json.dumps(site.slug)}\n"
                f"broker_url = {json.dumps(self.broker_url)}\n"
                f"hub_public_key = {json.dumps(self.hub_public_key)}\n"
                f'private_key_file = "site.key"\n'
                f'state_dir = "state"\n'
                f"children = 2\n"
                f"watch_period_s = 20\n"
                f"use_report_s = 60\n"
                f"stop_grace_s = 2\n"
                f"\n[secrets]\n{secrets}",
            )
            (folder / "state").mkdir(exist_ok=True)
        write_private(
            self.inventory_file,
            json.dumps(
                {
                    "public_keys": public_keys,
                    "ssh_key": self._make_ssh_key(),
                    "devices": inventory(devices),
                    "home": home,
                },
                indent=2,
            ),
        )

    def _make_ssh_key(self) -> str:
        """Make the holders' key at the first start; return its public half."""
        if not self.ssh_key_file.exists():
            made = Ed25519PrivateKey.generate()
            write_private(
                self.ssh_key_file,
                made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode(),
            )
        key = load_ssh_private_key(self.ssh_key_file.read_bytes(), password=None)
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        return f"{public.decode()} demonstration"

    def parts(self) -> list[Part]:
        """Return the sites' workers."""
        return [
            Part(
                name=f"site.{site.slug}",
                command=[
                    *(sys.executable, "-m", "site_worker"),
                    *("--config", str(self.folder / site.slug / "site.toml")),
                ],
                env={"CELERY_BROKER_URL": self.broker_url},
                patience_s=3.5,
            )
            for site in SITES
        ]
