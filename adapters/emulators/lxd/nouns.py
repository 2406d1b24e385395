"""What the daemon keeps: cards, projects, profiles, instances and their files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.pci import normal_form

Devices = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCard:
    """A graphics card of the host."""

    pci: str
    model: str = "NVIDIA H100 80GB HBM3"
    uuid: str = ""
    memory_mib: int = 81559
    vendor_id: str = "10de"
    product_id: str = "2330"

    @property
    def serial_uuid(self) -> str:
        """Return the card's UUID: the one given, or one made of its address."""
        text = hashlib.sha256(self.pci.encode()).hexdigest()
        return self.uuid or f"GPU-{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"


@dataclass
class File:
    """A file or a folder inside an instance."""

    kind: str = "file"
    content: str = ""
    mode: str = "0644"
    uid: int = 0
    gid: int = 0


@dataclass
class Profile:
    """Configuration and devices that instances share."""

    name: str
    description: str = ""
    config: dict[str, str] = field(default_factory=dict)
    devices: Devices = field(default_factory=dict)


@dataclass
class Project:
    """A drawer for instances and profiles."""

    name: str
    description: str = ""
    config: dict[str, str] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    """Custom volumes, by name."""


@dataclass
class Network:
    """A network: a bridge, OVN's, or a card of the host that LXD does not manage."""

    name: str
    type: str = "bridge"
    description: str = ""
    config: dict[str, str] = field(default_factory=dict)


@dataclass
class Rules:
    """Rules of a network (a network ACL)."""

    name: str
    description: str = ""
    config: dict[str, str] = field(default_factory=dict)
    ingress: list[dict[str, str]] = field(default_factory=list)
    egress: list[dict[str, str]] = field(default_factory=list)


def _fresh_files() -> dict[str, File]:
    return {path: File(kind="directory", mode="0755") for path in ("/", "/etc", "/home", "/root")}


@dataclass
class Instance:
    """A container or a virtual machine."""

    name: str
    project: str
    type: str = "container"
    description: str = ""
    config: dict[str, str] = field(default_factory=dict)
    devices: Devices = field(default_factory=dict)
    profiles: list[str] = field(default_factory=lambda: ["default"])
    running: bool = False
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    files: dict[str, File] = field(default_factory=_fresh_files)

    @property
    def key(self) -> tuple[str, str]:
        """Return what tells it from all others."""
        return self.project, self.name

    def answer(self, expanded_config: dict[str, str], expanded_devices: Devices) -> dict[str, Any]:
        """Return the instance as the API shows it."""
        return {
            "name": self.name,
            "project": self.project,
            "type": self.type,
            "description": self.description,
            "architecture": "x86_64",
            "config": self.config,
            "devices": self.devices,
            "expanded_config": expanded_config,
            "expanded_devices": expanded_devices,
            "profiles": self.profiles,
            "status": "Running" if self.running else "Stopped",
            "status_code": 103 if self.running else 102,
            "ephemeral": False,
            "stateful": False,
            "created_at": self.created_at,
            "last_used_at": self.created_at,
            "location": "none",
        }

    def etag(self) -> str:
        """Return the mark of the instance's configuration, for If-Match."""
        facts = [self.description, self.config, self.devices, self.profiles]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Return all of it for the state file."""
        return asdict(self)

    @classmethod
    def from_json(cls, written: dict[str, Any]) -> "Instance":
        """Return the instance of a state file."""
        files = {path: File(**entry) for path, entry in written.pop("files").items()}
        return cls(**written, files=files)


def cards_named(device: dict[str, str], cards: list[HostCard]) -> list[HostCard]:
    """Return the cards that a `gpu` device stands for, as LXD chooses them."""
    chosen = cards
    if device.get("pci"):
        chosen = [card for card in chosen if card.pci == normal_form(device["pci"])]
    if device.get("id"):
        chosen = [card for number, card in enumerate(cards) if str(number) == device["id"] and card in chosen]
    for key in ("vendorid", "productid"):
        if device.get(key):
            chosen = [
                card
                for card in chosen
                if (card.vendor_id if key == "vendorid" else card.product_id) == device[key]
            ]
    return chosen


def is_name(text: str) -> bool:
    """Say whether an instance can be called that."""
    plain = text.replace("-", "a")
    return 0 < len(text) <= 63 and plain.isalnum() and plain.isascii() and text[0].isalpha() and text[-1] != "-"


def texts(values: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the values as texts, as LXD keeps them."""
    return {str(key): str(value) for key, value in (values or {}).items()}
