"""The kinds of emulated devices: how each is started, what is secret about it, how its site reaches it."""

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from shary_portal.quickstart.emulators.certificates import client_certificate
from shary_portal.quickstart.federation import CARD_NAMES, EMULATOR_USERS, MEMORY_GIB, Emulator, EmulatorKind
from shary_portal.quickstart.processes import Part
from shary_portal.quickstart.state import write_private

IMAGES = ("ubuntu-gpu", "pytorch", "cuda-devel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One emulator on this machine."""

    emulator: Emulator
    folder: Path
    """Where it keeps its state and its certificate."""
    port: int
    number: int

    def secret(self, file: str) -> str:
        """Return the name under which the site's worker knows a secret of the device."""
        return f"{self.emulator.slug}.{file.removesuffix('.pem')}"


class Kind:
    """What all kinds have in common."""

    module: ClassVar[str]
    secret_files: ClassVar[tuple[str, ...]] = ()

    def part(self, place: Place) -> Part:
        """Return the emulator's process."""
        command = [
            *(sys.executable, "-m", f"adapters.emulators.{self.module}"),
            *("--listen", f"127.0.0.1:{place.port}"),
            *("--state", str(place.folder / "state.json")),
            *self.flags(place),
        ]
        name = f"device.{place.emulator.slug}"
        return Part(name=name, command=command, env=dict(self.environment(place)), patience_s=1.0)

    def flags(self, place: Place) -> list[str]:
        """Return what else its command line needs."""
        return []

    def environment(self, place: Place) -> Mapping[str, str]:
        """Return what it has to find in its environment."""
        return {}

    def make_secrets(self, place: Place) -> None:
        """Make at the first start what is secret about it."""

    def settings(self, place: Place) -> dict[str, Any]:
        """Return the adapter's settings for the device."""
        raise NotImplementedError


class P4Runtime(Kind):
    """A switch."""

    module = "p4runtime"

    def flags(self, place: Place) -> list[str]:
        """Return its device id."""
        return ["--device-id", "1"]

    def settings(self, place: Place) -> dict[str, Any]:
        """Return where it listens."""
        return {"host": "127.0.0.1", "port": place.port, "device_id": 1}


class Redfish(Kind):
    """A smart NIC with its management controller."""

    module = "redfish"
    secret_files = ("password", "account-key", "bmc.pem")

    def flags(self, place: Place) -> list[str]:
        """Return its generation and where its certificate lies."""
        return ["--generation", str(place.emulator.generation), "--certificate", str(place.folder)]

    def environment(self, place: Place) -> Mapping[str, str]:
        """Hand the password over unseen."""
        return {"BMC_PASSWORD": (place.folder / "password").read_text()}

    def make_secrets(self, place: Place) -> None:
        """Make the controller's password and the key that holders' passwords are made of."""
        for name, length in (("password", 12), ("account-key", 32)):
            if not (place.folder / name).exists():
                write_private(place.folder / name, secrets.token_urlsafe(length))

    def settings(self, place: Place) -> dict[str, Any]:
        """Return its controller's address and the names of its secrets."""
        return {
            "bmc": f"https://127.0.0.1:{place.port}",
            "password_secret": place.secret("password"),
            "certificate_secret": place.secret("bmc.pem"),
            "account_key_secret": place.secret("account-key"),
            "generation": place.emulator.generation,
            # The emulated controller fetches nothing; it only says that it did.
            "image": "http://192.0.2.1/images/bf-bundle-2.9.1.bfb",
        }


class Lxd(Kind):
    """A host with cards, lent as instances."""

    module = "lxd"
    secret_files = ("client.crt", "client.key", "server.crt")

    def flags(self, place: Place) -> list[str]:
        """Return whom it trusts, what images it has, and its cards."""
        flags = ["--trust", str(place.folder / "client.crt"), "--certificate", str(place.folder)]
        flags += ["--name", place.emulator.slug]
        for image in IMAGES:
            flags += ["--image", image]
        return flags + _cards(place.emulator)

    def make_secrets(self, place: Place) -> None:
        """Make the certificate that the server trusts."""
        if not (place.folder / "client.crt").exists():
            certificate, key = client_certificate(f"{place.emulator.site}.shary.example")
            write_private(place.folder / "client.key", key)
            write_private(place.folder / "client.crt", certificate)

    def settings(self, place: Place) -> dict[str, Any]:
        """Return the server's address, its cards, and a span of ports of its own."""
        first = 20000 + 100 * place.number  # below those that the system gives out
        return {
            "endpoint": f"https://127.0.0.1:{place.port}",
            "certificate_secret": place.secret("client.crt"),
            "key_secret": place.secret("client.key"),
            "server_certificate_secret": place.secret("server.crt"),
            "cards": [pci for pci, _ in place.emulator.gpus],
            "instance_type": "container",
            "image": IMAGES[0],
            "more_images": list(IMAGES[1:]),
            "ssh_host": "127.0.0.1",
            "ssh_listen": "127.0.0.1",
            "ssh_ports": f"{first}-{first + 99}",
        }


class Slurm(Kind):
    """A cluster with cards, lent as reservations."""

    module = "slurm"

    def flags(self, place: Place) -> list[str]:
        """Return its nodes and who may use it."""
        flags = ["--folder", str(place.folder)]
        for node, model in place.emulator.nodes:
            flags += ["--node", f"{node}={model.lower()}:1"]
        for user in EMULATOR_USERS:
            flags += ["--user", user]
        return flags

    def settings(self, place: Place) -> dict[str, Any]:
        """Return where its commands lie and who may use it; the inventory adds which node is meant."""
        return {
            "bin_dir": str(place.folder.resolve() / "bin"),
            "slurm_conf": str(place.folder.resolve() / "slurm.conf"),
            "user_domains": ["uni-a.example", "uni-b.example"],
            "login_host": "127.0.0.1",
        }


class GpuSsh(Kind):
    """A machine with cards, lent as accounts."""

    module = "gpu_ssh"
    secret_files = ("worker", "ssh_host_key.pub")

    def flags(self, place: Place) -> list[str]:
        """Return whose key may start its host program, and its cards."""
        flags = ["--trust", str(place.folder / "worker.pub"), "--certificate", str(place.folder)]
        return [*flags, "--name", place.emulator.slug, *_cards(place.emulator, with_memory=True)]

    def make_secrets(self, place: Place) -> None:
        """Make the worker's key."""
        if (place.folder / "worker.pub").exists():
            return
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        write_private(place.folder / "worker", private.decode())
        write_private(place.folder / "worker.pub", f"{public.decode()} {place.emulator.site}\n")

    def settings(self, place: Place) -> dict[str, Any]:
        """Return where its sshd listens, its keys and its cards."""
        return {
            "host": "127.0.0.1",
            "port": place.port,
            "key_secret": place.secret("worker"),
            "host_key_secret": place.secret("ssh_host_key.pub"),
            "cards": [pci for pci, _ in place.emulator.gpus],
        }


KINDS: Mapping[EmulatorKind, Kind] = {
    "p4runtime": P4Runtime(),
    "redfish": Redfish(),
    "lxd": Lxd(),
    "slurm": Slurm(),
    "gpu_ssh": GpuSsh(),
}


def _cards(emulator: Emulator, *, with_memory: bool = False) -> list[str]:
    flags = []
    for pci, model in emulator.gpus:
        memory = f"={MEMORY_GIB[model] * 1024}" if with_memory else ""
        flags += ["--gpu", f"{pci}={CARD_NAMES[model]}{memory}"]
    return flags
