"""Lends graphics cards: an instance is made for each lease, with the cards inside, and deleted after it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from adapters.contract import Access, Adapter, CleanProof, FoundDevice, LeaseOrder, Observation, Target
from adapters.errors import AdapterError, DeviceRefused, OutcomeUnknown
from adapters.gpu_lxd import instance as tags
from adapters.gpu_lxd.borrowed import Borrowing
from adapters.gpu_lxd.client import LxdClient
from adapters.gpu_lxd.fence import build, tear_down
from adapters.gpu_lxd.instance import name_for
from adapters.gpu_lxd.inventory import found_host
from adapters.gpu_lxd.load import instance_load, why_unmeasured
from adapters.gpu_lxd.local_cards import cut
from adapters.gpu_lxd.machine import bring_up_to_date, clear_away, limited, start, wish_for
from adapters.gpu_lxd.measurements import nvml_of
from adapters.gpu_lxd.own_instance import names_own_instance
from adapters.gpu_lxd.pool import at_home, claimant, empty, give_back, move_in
from adapters.gpu_lxd.proof import prove_clean
from adapters.gpu_lxd.returning import kept_back, refuse_kept_back, remedy_for, take_back
from adapters.gpu_lxd.rivals import rivalry, use_in_words
from adapters.gpu_lxd.settings import DESCRIPTION, LxdSettings, settings_of
from adapters.gpu_lxd.ssh import access_to, close_keys, write_keys
from adapters.gpu_lxd.standing import (
    look,
    mine_of,
    mine_or_unknown,
    refuse_missing_cards,
    refuse_rivals,
    users_of,
)


class GpuLxd(Adapter):
    """Graphics cards behind an LXD server."""

    description = DESCRIPTION

    def observe(self, target: Target) -> Observation:
        """Look which of our instances has the cards, and how the cards are."""
        settings = settings_of(target.settings)
        with self._connect(settings) as client:
            everyone, known = client.instances(), client.cards()
            users = users_of(settings, everyone, known)
            ours = [user for user in users if user.lease]
            carrier = max(
                ours,
                key=lambda user: (user.config.get(tags.RESOURCE) == target.resource_id, user.epoch or 0),
                default=None,
            )
            load = instance_load(client, carrier, target.resource_id)
            carrier = carrier or claimant(client, settings, target.resource_id)
        missing = [pci for pci in settings.wanted_cards if pci not in known]
        notes = [f"The host has no card at {pci}." for pci in missing]
        notes += [use_in_words(user, settings, known) for user in users]
        readings = nvml_of(settings, known)
        complaints = readings.complaints
        complaints += filter(None, [rivalry(users, settings, known)])
        if not any(user.is_running for user in users):
            complaints += [
                f"{pci} is with vfio-pci still: {remedy_for(pci)}" for pci in kept_back(settings, known)
            ]
        return Observation(
            healthy=not missing and not complaints,
            carries=carrier.lease if carrier else None,
            epoch=carrier.epoch if carrier else None,
            detail=" ".join(notes + complaints),
            measurements=readings.measurements | load,
            unmeasured=why_unmeasured(settings, known, readings.measurements),
            unfit=" ".join(readings.unfit),
        )

    def provision(self, order: LeaseOrder) -> Access:
        """Make the instance, give it the cards, start it; nobody's key is in it."""
        settings = settings_of(order.target.settings)
        if names_own_instance(order):
            return self._borrowing(settings).provision(order)
        with self._connect(settings) as client:
            settings = at_home(client, settings, order)
            now = look(client, settings, order)
            refuse_rivals(now.rivals, order)
            if now.mine is not None and now.mine.never_ran:
                now = replace(now, mine=clear_away(client, now.mine, order))
            if now.mine is None:
                refuse_missing_cards(settings, now.cards)
                refuse_kept_back(settings, order, now.cards)
                wish = wish_for(settings, order, now)
                settings = move_in(client, settings, order)
                wish = limited(client, settings, wish)
                wish["devices"] |= build(client, settings, order)
                client.create(wish)
                mine = mine_or_unknown(client, order, settings)
            else:
                mine = now.mine
            mine = bring_up_to_date(client, mine, order)
            if mine.config.get(tags.ACCESS) != "open" and mine.type == "container":
                close_keys(client, settings, mine.name)
            mine = start(client, settings, order, mine)
            if mine.config.get(tags.ACCESS) != "open" and mine.type != "container":
                close_keys(client, settings, mine.name)
            # LXD gives one card to two instances without a word: look once more after taking it.
            rivals = look(client, settings, order, with_cards=False).rivals
            if rivals:
                client.stop(mine.name)
                refuse_rivals(rivals, order)
            return access_to(client, settings, mine)

    def admit(self, order: LeaseOrder) -> None:
        """Put the holder's keys into the instance.

        A holder who has none yet gets in with the first one that is added: the portal orders again then.
        """
        settings = settings_of(order.target.settings)
        if names_own_instance(order):
            self._borrowing(settings).admit(order)
            return
        if any("\n" in key or "\r" in key for key in order.holder.ssh_keys):
            raise DeviceRefused("An ssh key of the holder has more than one line.")
        wanted = "".join(f"{key.strip()}\n" for key in order.holder.ssh_keys)
        with self._connect(settings) as client:
            settings = at_home(client, settings, order)
            now = look(client, settings, order, with_cards=False)
            refuse_rivals(now.rivals, order)
            if now.mine is None:
                raise OutcomeUnknown(
                    f"There is no instance for the lease {order.lease_id}: provision it first."
                )
            mine = start(client, settings, order, now.mine)
            if mine.config.get(tags.ACCESS) != "open":
                client.patch(mine.name, {"config": {tags.ACCESS: "open"}})
            write_keys(client, settings, mine.name, wanted)

    def isolate(self, order: LeaseOrder) -> None:
        """Switch the instance off, which cuts every session, and take the keys out."""
        settings = settings_of(order.target.settings)
        if names_own_instance(order):
            self._borrowing(settings).isolate(order)
            return
        with self._connect(settings) as client:
            settings = at_home(client, settings, order)
            mine = mine_of(client.instance(name_for(order)), order)
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
        settings = settings_of(order.target.settings)
        if names_own_instance(order):
            return self._borrowing(settings).release(order)
        with self._connect(settings) as client:
            settings = at_home(client, settings, order)
            now = look(client, settings, order, with_cards=False)
            if now.mine is not None:
                if now.mine.is_running:
                    client.stop(now.mine.name)
                take_back(client, settings, now.mine)
                client.delete(now.mine.name)
            tear_down(client, settings, order)
            empty(client, settings, order)
            held = [rival for rival in now.rivals if rival.lease]
            if held:
                refuse_rivals(held, order)
        proof = prove_clean(settings=settings, secrets=self.secrets, order=order)
        with self._connect(settings) as client:
            return give_back(client, settings, order, proof)

    def discover(self, target: Target) -> tuple[FoundDevice, ...]:
        """Return the server's machine with its cards as parts."""
        settings = settings_of(target.settings)
        with self._connect(settings) as client:
            cards = tuple(client.cards().values())
            name = client.server_name or target.name
        return (found_host(name=name, cards=cards, nvml_is_local=settings.nvml_is_local),)

    def reshape(self, target: Target, geometry: Sequence[str]) -> FoundDevice:
        """Cut the card into MIG slices; none at all makes it whole."""
        settings = settings_of(target.settings)
        with self._connect(settings) as client:
            return cut(client, settings, target.name, geometry)

    def _connect(self, settings: LxdSettings) -> LxdClient:
        return LxdClient(settings=settings, secrets=self.secrets)

    def _borrowing(self, settings: LxdSettings) -> Borrowing:
        return Borrowing(settings=settings, secrets=self.secrets)


ADAPTER = GpuLxd
