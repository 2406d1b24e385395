"""Lends cards to an instance that the holder has already, as FIGO does, and takes them out at the end.

The instance and all that is on it stay as they are. What is done to it is written on it in tags, in the
same step: whatever breaks off half-way is found and finished by the next call.

| | container | virtual machine; MIG slice |
|---|---|---|
| `provision` | tags only | tags only |
| `admit` | the card is plugged in while it runs | shut down, card in, started |
| `isolate` | the card is taken out; restarted if a process may still have it open | shut down, card out, started |
| `release` | the same, tags off | the same, tags off |
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC
from urllib.parse import urlsplit

from adapters.contract import Access, Check, CleanProof, Endpoint, LeaseOrder, Secrets
from adapters.errors import AdapterError, DeviceBusy, DeviceRefused, OutcomeUnknown
from adapters.gpu_lxd import figo
from adapters.gpu_lxd import instance as tags
from adapters.gpu_lxd.client import LxdClient
from adapters.gpu_lxd.instance import Card, Instance
from adapters.gpu_lxd.machine import card_device
from adapters.gpu_lxd.open_cards import Host
from adapters.gpu_lxd.own_instance import (
    Place,
    found_at,
    place_of,
    refuse_no_cards,
    refuse_other_lease,
    refuse_strangers,
    refuse_type,
)
from adapters.gpu_lxd.project_client import ProjectClient, Record
from adapters.gpu_lxd.proof import prove_clean
from adapters.gpu_lxd.returning import refuse_kept_back
from adapters.gpu_lxd.rivals import CARDS, cards_tag, has_a_card
from adapters.gpu_lxd.settings import LxdSettings
from adapters.gpu_lxd.standing import refuse_missing_cards, refuse_rivals, users_of
from adapters.pci import normal_form

RESTART = "user.shary.restart"
"""`pending` from before the instance is stopped for the card's sake until it runs again."""
DEVICE = "shary-gpu"

_OURS = (tags.LEASE, tags.EPOCH, tags.RESOURCE, tags.ENDS_AT, tags.ACCESS, CARDS, RESTART)


@dataclass(frozen=True, slots=True, kw_only=True)
class Borrowing:
    """The verbs for a lease that goes to the holder's own instance."""

    settings: LxdSettings
    secrets: Secrets
    host: Host = field(default_factory=Host)

    def provision(self, order: LeaseOrder) -> Access:
        """Check that the instance can have the card, and note the lease on it. Nothing is attached yet."""
        place = self._place(order)
        with self._connect(place.project) as client:
            found, rivals = self._checked(client, place, order)
            client.edit(found.name, self._noting(order))
            # Another lease may have come in between.
            found, rivals = self._look(client, place, order)
            if rivals and found.config.get(tags.ACCESS) != "open":
                client.edit(found.name, _untagged)
            refuse_rivals(rivals, order)
        return _access(self.settings, found)

    def admit(self, order: LeaseOrder) -> None:
        """Attach the card; a virtual machine is stopped for it and started again."""
        place = self._place(order)
        with self._connect(place.project) as client:
            found, rivals = self._look(client, place, order)
            refuse_other_lease(found, order)
            refuse_rivals(rivals, order)
            if found.lease != order.lease_id:
                raise OutcomeUnknown(f"{place} does not carry the lease {order.lease_id}: provision it first.")
            is_open = found.config.get(tags.ACCESS) == "open" and self._has_all(found, client.cards())
            if not is_open:
                self._attach(client, found)
            self._finish_restart(client, place.name)
            _, rivals = self._look(client, place, order)
            if rivals and not is_open:
                # LXD gives one card to two instances without a word: who came second goes.
                self._detach(client, place.name)
                refuse_rivals(rivals, order)

    def isolate(self, order: LeaseOrder) -> None:
        """Take the card out of the instance. Sessions into it are the holder's own and stay."""
        for project, name in self._carriers(order):
            with self._connect(project) as client:
                self._detach(client, name)

    def release(self, order: LeaseOrder) -> CleanProof:
        """Take the card and the tags off the instance, and prove over a fresh connection that they are."""
        for project, name in self._carriers(order):
            with self._connect(project) as client:
                self._detach(client, name)
                with suppress(DeviceRefused):
                    client.edit(name, _untagged)
        with self._connect(self.settings.project) as client:
            everyone, known = client.instances(), client.cards()
        others = [entry for entry in users_of(self.settings, everyone, known) if entry.lease]
        refuse_rivals([entry for entry in others if entry.lease != order.lease_id], order)
        return self._proof(order)

    # --- looking --------------------------------------------------------------------------------

    def _connect(self, project: str) -> ProjectClient:
        return ProjectClient(settings=self.settings, secrets=self.secrets, project=project)

    def _place(self, order: LeaseOrder) -> Place:
        refuse_no_cards(self.settings, order)
        return place_of(self.settings, order)

    def _look(
        self, client: LxdClient, place: Place, order: LeaseOrder
    ) -> tuple[Instance, tuple[Instance, ...]]:
        """Return the instance, and who else has or waits for one of the cards."""
        everyone, known = client.instances(), client.cards()
        found = found_at(place, everyone)
        rivals = [
            entry
            for entry in users_of(self.settings, everyone, known)
            if not (place.is_place_of(entry) and entry.lease == order.lease_id)
        ]
        return found, tuple(rivals)

    def _checked(
        self, client: ProjectClient, place: Place, order: LeaseOrder
    ) -> tuple[Instance, tuple[Instance, ...]]:
        found, rivals = self._look(client, place, order)
        if found.lease != order.lease_id:
            refuse_strangers(found, client.marks(), order.holder)
        refuse_type(found, self.settings)
        if client.is_ephemeral(found.name):
            raise DeviceRefused(
                f"{found.label} is ephemeral: LXD would delete it with all that is on it when the card is taken "
                "out. Name an instance that stays when it stops."
            )
        refuse_other_lease(found, order)
        refuse_rivals(rivals, order)
        known = client.cards()
        refuse_missing_cards(self.settings, known)
        if not self._has_all(found, known):
            refuse_kept_back(self.settings, order, known)
        return found, rivals

    def _carriers(self, order: LeaseOrder) -> list[tuple[str, str]]:
        """Return where the lease is: by its tags, wherever the instance went, and by what we attached."""
        place = self._place(order)
        with self._connect(place.project) as client:
            everyone, known = client.instances(), client.cards()
        carriers = []
        for entry in everyone:
            if entry.name.startswith("shary-"):
                continue
            left = not entry.lease and place.is_place_of(entry) and self._has_ours(entry, known)
            if entry.lease == order.lease_id or left:
                refuse_other_lease(entry, order)
                carriers.append((entry.project, entry.name))
        return carriers

    def _has_ours(self, entry: Instance, known: dict[str, Card]) -> bool:
        """Say whether our device is there although the tags are gone: a holder can take those off."""
        ours = {name: device for name, device in entry.own_devices.items() if name.startswith(DEVICE)}
        return has_a_card(replace(entry, devices=ours), self.settings, known)

    def _has_all(self, entry: Instance, known: dict[str, Card]) -> bool:
        wanted = self.settings.wanted_cards
        return entry.cards_held(wanted, known, self.settings.mig_uuid) == set(wanted)

    # --- changing -------------------------------------------------------------------------------

    def _noting(self, order: LeaseOrder) -> Callable[[Record], None]:
        wanted = {
            tags.LEASE: order.lease_id,
            tags.EPOCH: str(order.epoch),
            tags.RESOURCE: order.target.resource_id,
            tags.ENDS_AT: order.ends_at.astimezone(UTC).isoformat(),
            CARDS: cards_tag(self.settings),
        }

        def note(record: Record) -> None:
            config = record["config"]
            if config.get(tags.LEASE) not in (None, order.lease_id):
                raise DeviceBusy(f"The lease {config[tags.LEASE]} was quicker: the instance carries it now.")
            config.update(wanted)
            config.setdefault(tags.ACCESS, "closed")

        return note

    def _attach(self, client: ProjectClient, found: Instance) -> None:
        profiles, devices = self._means(client, found)
        starts = not found.is_running
        if found.is_running and not self._is_hot(found) and not self._has_all(found, client.cards()):
            client.edit(found.name, _with(RESTART, "pending"))
            client.shut_down(found.name)
            starts = True

        def attach(record: Record) -> None:
            record["profiles"] += [name for name in profiles if name not in record["profiles"]]
            record["devices"].update(devices)
            record["config"][tags.ACCESS] = "open"
            if starts:
                record["config"][RESTART] = "pending"

        client.edit(found.name, attach)

    def _means(self, client: ProjectClient, found: Instance) -> tuple[list[str], dict[str, dict[str, str]]]:
        """Return the profiles and the devices by which the instance gets the cards."""
        known = client.profiles() if self.settings.figo_profiles and not self.settings.mig_uuid else ()
        profiles, devices = [], {}
        for number, pci in enumerate(self.settings.wanted_cards):
            profile = figo.profile_for(pci, known, found.type)
            if profile is None:
                devices[f"{DEVICE}{number}"] = card_device(self.settings, pci)
            else:
                profiles.append(profile)
        return profiles, devices

    def _detach(self, client: ProjectClient, name: str) -> None:
        """Take the cards out, whatever brought them in; what ran runs on, what was stopped stays off."""
        found = client.instance(name)
        if found is None:
            return
        known = client.cards()
        with_card = has_a_card(found, self.settings, known)
        hot = self._is_hot(found)
        given = figo.profiles_of(self.settings.wanted_cards, client.profiles()) if with_card else frozenset()
        if with_card and found.is_running and not hot:
            client.edit(name, _with(RESTART, "pending"))
            client.shut_down(name)
        unplugged = with_card and found.is_running and hot

        def detach(record: Record) -> None:
            record["profiles"] = [profile for profile in record["profiles"] if profile not in given]
            for key in [key for key, device in record["devices"].items() if self._is_lent(key, device)]:
                del record["devices"][key]
            if tags.ACCESS in record["config"]:
                record["config"][tags.ACCESS] = "closed"
            if unplugged:
                record["config"][RESTART] = "pending"

        client.edit(name, detach)
        # The card is out by now: that the machine does not come back must not hide it.
        with suppress(AdapterError):
            self._finish_restart(client, name)

    def _is_lent(self, key: str, device: dict[str, str]) -> bool:
        if device.get("type") != "gpu":
            return False
        try:
            pci = normal_form(device.get("pci", ""))
        except ValueError:
            return key.startswith(DEVICE)
        same_part = device.get("mig.uuid", self.settings.mig_uuid) == self.settings.mig_uuid
        return key.startswith(DEVICE) or (pci in self.settings.wanted_cards and same_part)

    def _is_hot(self, found: Instance) -> bool:
        """Say whether LXD attaches the card while the instance runs."""
        return found.type == "container" and not self.settings.mig_uuid

    def _finish_restart(self, client: ProjectClient, name: str) -> None:
        """Bring the instance back that was stopped, or has to be, for the card's sake."""
        found = client.instance(name)
        if found is None or found.config.get(RESTART) != "pending":
            return
        is_closed = found.config.get(tags.ACCESS) != "open"
        if found.is_running and is_closed and self._is_hot(found) and self._may_be_in_use():
            # A process keeps what it has open, whatever LXD takes away.
            client.shut_down(name)
            found = client.instance(name) or found
        if not found.is_running:
            client.start(name)
            after = client.instance(name)
            if after is None or not after.is_running:
                raise OutcomeUnknown(f"LXD says that it started {found.label}, but does not show it running.")
        client.edit(name, _without(RESTART))

    def _may_be_in_use(self) -> bool:
        return not self.settings.nvml_is_local or self.host.users_of(self.settings.wanted_cards) != ()

    # --- proving --------------------------------------------------------------------------------

    def _proof(self, order: LeaseOrder) -> CleanProof:
        proof = prove_clean(settings=self.settings, secrets=self.secrets, order=order)
        place = self._place(order)
        with self._connect(place.project) as client:
            found, known = client.instance(place.name), client.cards()
            kept = found is not None and has_a_card(found, self.settings, known)
        words = "gone" if found is None else f"{found.status.lower()}, {'with' if kept else 'without'} the card"
        return replace(
            proof,
            checks=(
                *proof.checks,
                Check(
                    name=f"the holder's instance {place}",
                    expected="without the card",
                    found=words,
                    passed=not kept,
                    method=f"GET /1.0/instances/{place.name} on a new connection",
                ),
            ),
        )


def _access(settings: LxdSettings, found: Instance) -> Access:
    server = urlsplit(settings.endpoint)
    return Access(
        instructions=(
            f"Log in to {found.label} as you always do. The card is in it from the start of the lease: try "
            "nvidia-smi. At the end the card is taken out; the instance and what is on it stay yours."
        ),
        endpoints=(
            Endpoint(
                label=f"Your instance {found.label}",
                protocol="lxd",
                host=server.hostname or "",
                port=server.port or 8443,
                command=f"lxc exec {found.name} --project {found.project} -- nvidia-smi",
            ),
        ),
    )


def _with(key: str, value: str) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        record["config"][key] = value

    return change


def _without(*keys: str) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        for key in keys:
            record["config"].pop(key, None)

    return change


_untagged = _without(*_OURS)
