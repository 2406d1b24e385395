"""The P4 gateway of a demonstration site: the real one, in front of emulated switches."""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from shary_portal.quickstart.processes import Part
from shary_portal.quickstart.state import write_private

_SECRET = "p4-gateway"  # noqa: S105 - the name of a secret


class SiteGateway:
    """How one site's gateway is started, and what its worker must know of it."""

    def __init__(self, site: str, folder: Path) -> None:
        self.slug = f"{site}-gateway"
        self.folder = folder
        # A Unix socket's path ends at 108 bytes, and nobody knows how deep the checkout lies.
        name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
        self.socket = Path(tempfile.gettempdir()) / f"shary-{os.getuid()}-{name}" / "gateway.sock"

    def lay_out(self, port: int) -> None:
        """Write its settings, and the secret by which the worker finds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_private(
            self.folder / "gateway.toml",
            f'state_dir = "state"\nlisten = "127.0.0.1:{port}"\npublic_host = "127.0.0.1"\n'
            f"control = {json.dumps(str(self.socket))}\n",
        )
        write_private(self.folder / "socket", str(self.socket))

    def part(self) -> Part:
        """Return its process."""
        command = [sys.executable, "-m", "p4_gateway", str(self.folder / "gateway.toml")]
        return Part(name=f"device.{self.slug}", command=command, patience_s=2.0)

    @property
    def secrets(self) -> dict[str, Path]:
        """Return what the site's worker has to know, by name."""
        return {_SECRET: self.folder / "socket"}

    @property
    def settings(self) -> dict[str, Any]:
        """Return what stands in the settings of the switches behind it."""
        return {"gateway_secret": _SECRET}
