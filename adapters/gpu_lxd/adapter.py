"""Lends graphics cards: an instance is made for each lease, with the cards inside, and deleted after it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from pydantic import TypeAdapter, ValidationError

from adapters.contract import (
    Access,
    Adapter,
    CleanProof,
    FoundDevice,
    Json,
    LeaseOrder,
    Observation,
    Target,
)
from adapters.errors import AdapterError, DeviceBusy, DeviceRefused, InvalidSettings, OutcomeUnknown
from adapters.gpu_lxd import instance as tags
from adapters.gpu_lxd.client import LxdClient
from adapters.gpu_lxd.instance import Card, Instance, name_for
from adapters.gpu_lxd.inventory import found_host
from adapters.gpu_lxd.proof import prove_clean
from adapters.gpu_lxd.settings import DESCRIPTION, GpuParameters, LxdSettings, ports_of
from adapters.gpu_lxd.ssh import access_to, close_keys, forward, free_ports, write_keys
from adapters.nvml import NvmlUnavailable, card_at

_PORTS_TO_TRY = 8


class GpuLxd(Adapter):
    """Graphics cards behind an LXD server."""

    description = DESCRIPTION

    def observe(self, target: Target) -> Observation:
        """Look which of our instances has the cards, and how the cards are."""
        settings = _settings_of(target.settings)
        with self._connect(settings) as client:
            everyone, known = client.instances(), client.cards()
        users = _users(settings, everyone, known)
        ours = [user for user in users if user.lease]
        carrier = max(
            ours,
            key=lambda user: (user.config.get(tags.RESOURCE) == target.resource_id, user.epoch or 0),
            default=None,
        )
        missing = [pci for pci in settings.wanted_cards if pci not in known]
        notes = [f"The host has no card at {pci}." for pci in missing]
        notes += [f"Instance {user.label} is {user.status.lower()} and has the card." for user in users]
        measurements, complaints = _nvml_of(settings, known) if settings.nvml_is_local else ({}, [])
        return Observation(
            healthy=not missing and not complaints,
            carries=carrier.lease if carrier else None,
            epoch=carrier.epoch if carrier else None,
            detail=" ".join(notes + complaints),
            measurements=measurements,
        )

    def provision(self, order: LeaseOrder) -> Access:
        """Make the instance, give it the cards, start it; nobody's key is in it."""
        settings = _settings_of(order.target.settings)
        with self._connect(settings) as client:
            now = _look(client, settings, order)
            _refuse_rivals(now.rivals, order)
            if now.mine is None:
                _refuse_missing_cards(settings, now.cards)
                client.create(_wish(settings, order, now))
                mine = _mine_or_unknown(client, order, settings)
            else:
                mine = now.mine
            mine = _bring_up_to_date(client, mine, order)
            if mine.config.get(tags.ACCESS) != "open" and mine.type == "container":
                close_keys(client, settings, mine.name)
            mine = _start(client, settings, order, mine)
            if mine.config.get(tags.ACCESS) != "open" and mine.type != "container":
                close_keys(client, settings, mine.name)
            # LXD gives one card to two instances without a word: look once more after taking it.
            rivals = _look(client, settings, order).rivals
            if rivals:
                client.stop(mine.name)
                _refuse_rivals(rivals, order)
            return access_to(client, settings, mine)

    def admit(self, order: LeaseOrder) -> None:
        """Put the holder's keys into the instance.

        A holder who has none yet gets in with the first one that is added: the portal orders again then.
        """
        settings = _settings_of(order.target.settings)
        if any("\n" in key or "\r" in key for key in order.holder.ssh_keys):
            raise DeviceRefused("An ssh key of the holder has more than one line.")
        wanted = "".join(f"{key.strip()}\n" for key in order.holder.ssh_keys)
        with self._connect(settings) as client:
            now = _look(client, settings, order)
            _refuse_rivals(now.rivals, order)
            if now.mine is None:
                raise OutcomeUnknown(
                    f"There is no instance for the lease {order.lease_id}: provision it first."
                )
            mine = _start(client, settings, order, now.mine)
            if mine.config.get(tags.ACCESS) != "open":
                client.patch(mine.name, {"config": {tags.ACCESS: "open"}})
            write_keys(client, settings, mine.name, wanted)

    def isolate(self, order: LeaseOrder) -> None:
        """Switch the instance off, which cuts every session, and take the keys out."""
        settings = _settings_of(order.target.settings)
        with self._connect(settings) as client:
            mine = _mine(client.instance(name_for(order)), order)
            if mine is None:
                return
            # Whatever fails on the way, the power goes off; the look at the end decides.
            with suppress(AdapterError):
                if mine.config.get(tags.ACCESS) == "open":
                    client.patch(mine.name, {"config": {tags.ACCESS: "closed"}})
            if mine.is_running:
                client.stop(mine.name)
            after = client.instance(mine.name)
            if after is None:
                return
            if after.status != "Stopped" or after.config.get(tags.ACCESS) == "open":
                raise OutcomeUnknown(
                    f"Instance {after.label} should be switched off and closed, but is {after.status.lower()}."
                )
            if after.type == "container":
                # The files of a virtual machine are out of reach while it is off; `provision`
                # empties them before it calls the machine ready.
                close_keys(client, settings, mine.name)

    def release(self, order: LeaseOrder) -> CleanProof:
        """Delete the instance, then prove over a fresh connection that nothing is left."""
        settings = _settings_of(order.target.settings)
        with self._connect(settings) as client:
            now = _look(client, settings, order)
            if now.mine is not None:
                if now.mine.is_running:
                    client.stop(now.mine.name)
                client.delete(now.mine.name)
            held = [rival for rival in now.rivals if rival.lease]
            if held:
                _refuse_rivals(held, order)
        return prove_clean(settings=settings, secrets=self.secrets, order=order)

    def discover(self, target: Target) -> tuple[FoundDevice, ...]:
        """Return the server's machine with its cards as parts."""
        settings = _settings_of(target.settings)
        with self._connect(settings) as client:
            cards = tuple(client.cards().values())
            name = client.server_name or target.name
        return (found_host(name=name, cards=cards, nvml_is_local=settings.nvml_is_local),)

    def _connect(self, settings: LxdSettings) -> LxdClient:
        return LxdClient(settings=settings, secrets=self.secrets)


ADAPTER = GpuLxd


@dataclass(frozen=True, slots=True, kw_only=True)
class _Now:
    """How things stand for a lease at this moment."""

    mine: Instance | None
    rivals: tuple[Instance, ...]
    everyone: tuple[Instance, ...]
    cards: dict[str, Card]


def _settings_of(values: Json) -> LxdSettings:
    settings: LxdSettings = _read(LxdSettings, values, "The settings")
    return settings


def _read(shape: Any, values: Json, what: str) -> Any:
    try:
        return TypeAdapter(shape).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(step) for step in first["loc"]) or "as a whole"
        raise InvalidSettings(f"{what} cannot work: {field}: {first['msg']}.") from error


def _look(client: LxdClient, settings: LxdSettings, order: LeaseOrder) -> _Now:
    if not settings.wanted_cards:
        raise InvalidSettings(
            f"{order.target.name} has no cards: give “pci” for one card, or “cards” for a whole host."
        )
    everyone, known, name = client.instances(), client.cards(), name_for(order)

    def is_mine(entry: Instance) -> bool:
        return entry.name == name and entry.project == settings.project

    mine = next((entry for entry in everyone if is_mine(entry)), None)
    rivals = tuple(entry for entry in _users(settings, everyone, known) if not is_mine(entry))
    return _Now(mine=_mine(mine, order), rivals=rivals, everyone=everyone, cards=known)


def _users(settings: LxdSettings, everyone: Sequence[Instance], known: dict[str, Card]) -> tuple[Instance, ...]:
    """Return who has one of the cards: whoever runs, and whoever is kept for a lease."""
    return tuple(
        entry
        for entry in everyone
        if (entry.is_running or entry.lease)
        and entry.cards_held(settings.wanted_cards, known, settings.mig_uuid)
    )


def _mine(found: Instance | None, order: LeaseOrder) -> Instance | None:
    """Return the instance if it is this lease's; raise when it is not, or of a later epoch."""
    if found is None:
        return None
    if found.lease != order.lease_id:
        raise DeviceRefused(
            f"An instance called {found.label} is there, but does not carry the tags of this lease. "
            "It is left alone; its owner has to rename or delete it."
        )
    if found.epoch is not None and found.epoch > order.epoch:
        raise DeviceBusy(
            f"Instance {found.label} is of epoch {found.epoch}; this order, {order.epoch}, is stale."
        )
    return found


def _mine_or_unknown(client: LxdClient, order: LeaseOrder, settings: LxdSettings) -> Instance:
    mine = _mine(client.instance(name_for(order)), order)
    if mine is None:
        raise OutcomeUnknown(
            f"LXD says that it made {settings.project}/{name_for(order)}, but does not show it."
        )
    return mine


def _refuse_rivals(rivals: Sequence[Instance], order: LeaseOrder) -> None:
    for rival in rivals:
        whose = f"for the lease {rival.lease} of epoch {rival.epoch}" if rival.lease else "without SHARY"
        raise DeviceBusy(
            f"{order.target.name} is taken: instance {rival.label}, {rival.status.lower()}, "
            f"has the card {whose}."
        )


def _refuse_missing_cards(settings: LxdSettings, known: dict[str, Card]) -> None:
    for pci in settings.wanted_cards:
        if pci not in known:
            there = ", ".join(sorted(known)) or "none"
            raise InvalidSettings(f"The LXD host has no card at {pci}. It has: {there}.")


def _wish(settings: LxdSettings, order: LeaseOrder, now: _Now) -> dict[str, Any]:
    chosen = _read(GpuParameters, order.parameters, "The choice").image or settings.image
    allowed = (settings.image, *settings.more_images)
    if chosen not in allowed:
        raise DeviceRefused(f"This site has no image “{chosen}”. It offers: {', '.join(allowed)}.")
    devices = {f"shary-gpu{number}": _gpu(settings, pci) for number, pci in enumerate(settings.wanted_cards)}
    if settings.ssh_ports:
        devices[tags.SSH_DEVICE] = forward(settings, free_ports(settings, order, now.everyone)[0])
    return {
        "name": name_for(order),
        "type": settings.instance_type,
        "description": f"SHARY lease of {order.holder.username} for {order.holder.project}",
        "source": {"type": "image", "alias": chosen},
        "profiles": list(settings.profiles),
        "config": {
            tags.LEASE: order.lease_id,
            tags.EPOCH: str(order.epoch),
            tags.RESOURCE: order.target.resource_id,
            tags.ENDS_AT: order.ends_at.astimezone(UTC).isoformat(),
            tags.ACCESS: "closed",
        },
        "devices": devices,
    }


def _gpu(settings: LxdSettings, pci: str) -> dict[str, str]:
    if settings.mig_uuid:
        return {"type": "gpu", "gputype": "mig", "pci": pci, "mig.uuid": settings.mig_uuid}
    return {"type": "gpu", "gputype": "physical", "pci": pci}


def _bring_up_to_date(client: LxdClient, mine: Instance, order: LeaseOrder) -> Instance:
    wanted = {tags.EPOCH: str(order.epoch), tags.ENDS_AT: order.ends_at.astimezone(UTC).isoformat()}
    changed = {key: text for key, text in wanted.items() if mine.config.get(key) != text}
    if not changed:
        return mine
    client.patch(mine.name, {"config": changed})
    after = _mine(client.instance(mine.name), order)
    if after is None or any(after.config.get(key) != text for key, text in changed.items()):
        raise OutcomeUnknown(f"LXD says that it changed {mine.label}, but does not show it.")
    return after


def _start(client: LxdClient, settings: LxdSettings, order: LeaseOrder, mine: Instance) -> Instance:
    if mine.status != "Running":
        _start_on_a_free_port(client, settings, order, mine)
        after = _mine(client.instance(mine.name), order)
        if after is None or after.status != "Running":
            raise OutcomeUnknown(f"LXD says that it started {mine.label}, but does not show it running.")
        mine = after
        if mine.type == "virtual-machine":
            client.await_agent(mine.name)
    return mine


def _nvml_of(settings: LxdSettings, known: dict[str, Card]) -> tuple[dict[str, float], list[str]]:
    measurements: dict[str, float] = {}
    complaints: list[str] = []
    for pci in settings.wanted_cards:
        if pci not in known or known[pci].is_passed_through:
            # NVML does not see what a virtual machine has.
            continue
        try:
            card = card_at(pci)
        except NvmlUnavailable as error:
            complaints.append(f"{pci}: {error}")
            continue
        if card is None:
            complaints.append(f"NVML does not see the card at {pci}.")
            continue
        prefix = "" if len(settings.wanted_cards) == 1 else f"{pci} "
        measurements |= {prefix + name: number for name, number in card.measurements.items()}
    return measurements, complaints


def _start_on_a_free_port(client: LxdClient, settings: LxdSettings, order: LeaseOrder, mine: Instance) -> None:
    for _ in range(_PORTS_TO_TRY):
        try:
            return client.start(mine.name)
        except DeviceRefused as error:
            # Something on the host that LXD does not know of has the port: take the next one.
            if "address already in use" not in str(error) or not settings.ssh_ports:
                raise
            unlucky = mine.ssh_port or 0
            span = ports_of(settings.ssh_ports)
            free = free_ports(settings, order, client.instances())
            after = [port for port in free if port > unlucky] or [port for port in free if port in span]
            client.patch(mine.name, {"devices": {tags.SSH_DEVICE: forward(settings, after[0])}})
            mine = _mine_or_unknown(client, order, settings)
    raise DeviceBusy(f"None of {_PORTS_TO_TRY} ports of {settings.ssh_ports} is free on the LXD host.")
