"""A card as the operator is asked to accept it."""

from dataclasses import fields

from adapters.contract import FoundDevice
from adapters.smart_nic_sriov.links import Card, Function, topic_of
from adapters.smart_nic_sriov.site import Site


def found_card(site: Site, card: Card) -> FoundDevice:
    """Return the card and its virtual functions, with what its driver does not report."""
    sysfs = site.sysfs
    driver = sysfs.driver
    model = " ".join(filter(None, (driver, sysfs.model))) or "Network card"
    common = {"model": model, "driver": driver, "port_speed_gbps": sysfs.speed_gbps}
    silent = sorted({topic for function in card.functions.values() for topic in _silent(function)})
    return FoundDevice(
        name=card.name,
        kind="smart_nic",
        model=model,
        serial=card.pci,
        attributes=common | {"pci": card.pci, "functions": card.vf_count or 0},
        settings={"card": card.name, "pci": card.pci, "unreported": silent},
        parts=tuple(
            FoundDevice(
                name=f"{card.name} VF {vf}",
                kind="smart_nic_vf",
                model=model,
                serial=sysfs.pci_of(vf) or f"{card.pci}/{vf}",
                attributes=common | {"pci": sysfs.pci_of(vf), "functions": 1},
                settings={"vf": vf},
            )
            for vf in sorted(card.functions)
        ),
    )


def _silent(function: Function) -> set[str]:
    return {topic_of(field.name) for field in fields(Function) if getattr(function, field.name) is None}
