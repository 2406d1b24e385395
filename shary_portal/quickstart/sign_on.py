"""What the demonstration's home institution is started with, and what the portal must know of it."""

import json
import secrets
import sys
from pathlib import Path
from typing import Any

from shary_portal.quickstart.federation import HOME
from shary_portal.quickstart.ports import next_free_port
from shary_portal.quickstart.processes import Part
from shary_portal.quickstart.state import write_private

FIRST_PORT = 8200


class DemonstrationHome:
    """One sign-on service beside the portal."""

    def __init__(self, folder: Path, *, portal_port: int) -> None:
        self._settings_file = folder / "home.json"
        self._portal_port = portal_port
        self._settings: dict[str, Any] = {}

    def lay_out(self) -> None:
        """Choose a port and a secret, and write down what the service must know."""
        self._settings = {
            "port": next_free_port(FIRST_PORT),
            "client_id": "shary",
            "client_secret": secrets.token_urlsafe(32),
            "callbacks": [
                f"http://{host}:{self._portal_port}/accounts/oidc/{HOME.slug}/login/callback/"
                for host in ("127.0.0.1", "localhost")
            ],
        }
        self._settings_file.parent.mkdir(parents=True, exist_ok=True)
        write_private(self._settings_file, json.dumps(self._settings))

    def known(self) -> dict[str, str]:
        """Return what the portal must know."""
        return {
            "issuer": f"http://127.0.0.1:{self._settings['port']}",
            "client_id": self._settings["client_id"],
            "client_secret": self._settings["client_secret"],
        }

    def part(self) -> Part:
        """Return the service as a process."""
        return Part(
            name="university-a",
            command=[sys.executable, "-m", "shary_portal.quickstart.home", str(self._settings_file)],
        )
