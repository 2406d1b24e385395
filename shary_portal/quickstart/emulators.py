"""The demonstration's devices: emulators on loopback ports that stay the same from start to start."""

import json
import secrets
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from shary_portal.quickstart.federation import CARD_NAMES, EMULATORS, Emulator
from shary_portal.quickstart.ports import free_port, is_free
from shary_portal.quickstart.processes import Part
from shary_portal.quickstart.state import write_private

IMAGES = ("ubuntu-gpu", "pytorch", "cuda-devel")


class EmulatedDevices:
    """Where each emulator listens, how it is started, and what its site must know of it."""

    def __init__(self, folder: Path, *, emulators: Iterable[Emulator] = EMULATORS) -> None:
        self.folder = folder
        self.emulators = tuple(emulators)
        self.ports: dict[str, int] = {}
        self._note = folder / "ports.json"

    def lay_out(self) -> None:
        """Choose the ports, those of the last start where they are free, and make what is secret."""
        self.folder.mkdir(parents=True, exist_ok=True)
        known: dict[str, int] = json.loads(self._note.read_text()) if self._note.exists() else {}
        for emulator in self.emulators:
            port = known.get(emulator.slug, 0)
            while not port or port in self.ports.values() or not is_free(port):
                port = free_port()
            self.ports[emulator.slug] = port
            self._make_secrets(emulator)
        write_private(self._note, json.dumps(self.ports, indent=2))

    def folder_of(self, emulator: Emulator) -> Path:
        """Where an emulator keeps its state and its certificate."""
        return self.folder / emulator.slug

    def part(self, emulator: Emulator) -> Part:
        """Return the emulator's process."""
        folder = self.folder_of(emulator)
        command = [
            *(sys.executable, "-m", f"adapters.emulators.{emulator.kind}"),
            *("--listen", f"127.0.0.1:{self.ports[emulator.slug]}"),
            *("--state", str(folder / "state.json")),
        ]
        env = {}
        match emulator.kind:
            case "p4runtime":
                command += ["--device-id", "1"]
            case "redfish":
                command += ["--generation", str(emulator.generation), "--certificate", str(folder)]
                env["BMC_PASSWORD"] = (folder / "password").read_text()
            case "lxd":
                command += ["--trust", str(folder / "client.crt"), "--certificate", str(folder)]
                command += ["--name", emulator.slug]
                for image in IMAGES:
                    command += ["--image", image]
                for pci, model in emulator.gpus:
                    command += ["--gpu", f"{pci}={CARD_NAMES[model]}"]
        return Part(name=f"device.{emulator.slug}", command=command, env=env, patience_s=1.0)

    def parts(self) -> list[Part]:
        """Return the processes of all emulators."""
        return [self.part(emulator) for emulator in self.emulators]

    def secrets_of(self, site: str) -> dict[str, Path]:
        """Return the secrets that a site's worker needs, by name, each in a file."""
        files = {
            "p4runtime": (),
            "redfish": ("password", "account-key", "bmc.pem"),
            "lxd": ("client.crt", "client.key", "server.crt"),
        }
        return {
            secret_name(emulator, file): self.folder_of(emulator) / file
            for emulator in self.emulators
            if emulator.site == site
            for file in files[emulator.kind]
        }

    def settings_of(self, emulator: Emulator) -> dict[str, Any]:
        """Return the adapter's settings for the device."""
        port = self.ports[emulator.slug]
        match emulator.kind:
            case "p4runtime":
                return {"host": "127.0.0.1", "port": port, "device_id": 1}
            case "redfish":
                return {
                    "bmc": f"https://127.0.0.1:{port}",
                    "password_secret": secret_name(emulator, "password"),
                    "certificate_secret": secret_name(emulator, "bmc.pem"),
                    "account_key_secret": secret_name(emulator, "account-key"),
                    "generation": emulator.generation,
                }
            case "lxd":
                return {
                    "endpoint": f"https://127.0.0.1:{port}",
                    "certificate_secret": secret_name(emulator, "client.crt"),
                    "key_secret": secret_name(emulator, "client.key"),
                    "server_certificate_secret": secret_name(emulator, "server.crt"),
                    "cards": [pci for pci, _ in emulator.gpus],
                    "instance_type": "container",
                    "image": IMAGES[0],
                    "more_images": list(IMAGES[1:]),
                    "ssh_host": "127.0.0.1",
                    "ssh_listen": "127.0.0.1",
                    "ssh_ports": self._ssh_ports(emulator),
                }

    def _ssh_ports(self, emulator: Emulator) -> str:
        """Return a span of ports of its own for each host, below those that the system gives out."""
        first = 20000 + 100 * self.emulators.index(emulator)
        return f"{first}-{first + 99}"

    def _make_secrets(self, emulator: Emulator) -> None:
        folder = self.folder_of(emulator)
        folder.mkdir(parents=True, exist_ok=True)
        if emulator.kind == "redfish":
            for name in ("password", "account-key"):
                if not (folder / name).exists():
                    write_private(folder / name, secrets.token_urlsafe(12 if name == "password" else 32))
        if emulator.kind == "lxd" and not (folder / "client.crt").exists():
            certificate, key = client_certificate(f"{emulator.site}.shary.example")
            write_private(folder / "client.key", key)
            write_private(folder / "client.crt", certificate)


def secret_name(emulator: Emulator, file: str) -> str:
    """Return the name under which the site's worker knows a secret of a device."""
    return f"{emulator.slug}.{file.removesuffix('.pem')}"


def client_certificate(name: str) -> tuple[str, str]:
    """Make a certificate that its server trusts by itself, as LXD does; certificate and key in PEM."""
    key = ec.generate_private_key(ec.SECP384R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(Encoding.PEM).decode(),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    )
