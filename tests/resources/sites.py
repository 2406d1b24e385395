"""What a site's worker would answer to a question."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from adapters.contract import FoundDevice
from adapters.contract.wire import Failure, Report
from resources.models import Discovery, Resource, Site
from resources.services.discovery import ask_about, take_answer
from tests.factories import make_resource, make_site

LXD = {
    "endpoint": "https://gpu1.uni-a.example:8443",
    "certificate_secret": "lxd.crt",
    "key_secret": "lxd.key",
    "server_certificate_secret": "lxd.server.crt",
    "image": "ubuntu",
}
GPU = "GPU-11111111-2222-3333-4444-555555555555"
OTHER = "GPU-99999999-2222-3333-4444-555555555555"


def make_asked_site(slug: str | None = None, **fields: Any) -> Site:
    """Make a site that can be asked."""
    return make_site(slug, public_key="a-key", **fields)


def make_host(site: Site, name: str = "Host 1", *, cards: Sequence[str] = ("0000:65:00.0",)) -> Resource:
    """Make a host with its cards, listed as they would be found."""
    host = make_resource(
        site,
        name=name,
        kind="gpu_host",
        attributes={"model": "NVIDIA L40S", "cards": max(len(cards), 1)},
        settings={**LXD, "cards": list(cards)},
    )
    for number, pci in enumerate(cards, 1):
        make_resource(
            parent=host,
            name=f"{name} L40S {number}",
            serial=GPU if number == 1 else f"{OTHER[:-1]}{number}",
            attributes={"model": "NVIDIA L40S", "pci": pci},
            settings={"pci": pci},
        )
    return host


def found_card(pci: str = "0000:65:00.0", serial: str = GPU, **settings: Any) -> FoundDevice:
    """Return a card as an adapter finds it."""
    return FoundDevice(
        name=pci,
        kind="gpu",
        model="NVIDIA L40S",
        serial=serial,
        attributes={"model": "NVIDIA L40S", "pci": pci},
        settings={"pci": pci, **settings},
    )


def found_host(*cards: FoundDevice, name: str = "gpu1") -> FoundDevice:
    """Return a host as an adapter finds it."""
    return FoundDevice(
        name=name,
        kind="gpu_host",
        model="NVIDIA L40S",
        attributes={"model": "NVIDIA L40S", "cards": len(cards)} if cards else {"model": "NVIDIA L40S"},
        settings={"cards": [str(card.settings["pci"]) for card in cards]},
        parts=cards,
    )


def answer(
    discovery: Discovery, *devices: FoundDevice, at: datetime, failure: Failure | None = None
) -> Discovery | None:
    """Have the site answer a question; return it as it stands then, or None when it was not believed."""
    report = answering(discovery, *devices, at=at, failure=failure)
    return take_answer(report, site=discovery.site, now=at)


def answering(
    discovery: Discovery, *devices: FoundDevice, at: datetime, failure: Failure | None = None
) -> Report:
    """Return the report of the site."""
    return Report(
        site=discovery.site.slug,
        event="discovered",
        at=at,
        devices=devices,
        failure=failure,
        detail={"order": str(discovery.pk), "adapter": discovery.adapter},
    )


def found_at(host: Resource, *devices: FoundDevice, now: datetime) -> Discovery:
    """Ask about a device and have the site answer at once."""
    discovery = ask_about(resource=host, actor=None, now=now)
    answered = answer(discovery, *devices, at=now)
    assert answered is not None
    return answered
