"""Lends functions of a network card: set up and closed, then open, then parked and proven parked.

What a lease has is written on the card as an alternative name of its physical function, first of all and
removed last, so that whatever is half finished is still known to be the lease's.
"""

import json
from datetime import UTC, datetime

from adapters.contract import (
    Access,
    AccessFile,
    Adapter,
    Check,
    CleanProof,
    Endpoint,
    FoundDevice,
    LeaseOrder,
    Observation,
    Target,
)
from adapters.errors import AdapterError, DeviceBusy, DeviceRefused, OutcomeUnknown
from adapters.smart_nic_sriov.handover import Handover
from adapters.smart_nic_sriov.inventory import found_card
from adapters.smart_nic_sriov.links import Card, add_mark, remove_mark
from adapters.smart_nic_sriov.mark import Mark
from adapters.smart_nic_sriov.parts import Part, parts_of
from adapters.smart_nic_sriov.settings import DESCRIPTION, Settings
from adapters.smart_nic_sriov.site import Site, reach

VERIFIER = "smart_nic_sriov 1"


class SmartNicSriov(Adapter):
    """Virtual functions and port functions of one card of this machine."""

    description = DESCRIPTION

    def observe(self, target: Target) -> Observation:
        """Look which lease has the functions, and whether card and switch are as the site wants them."""
        with reach(target) as site:
            card = site.card()
            parts = list(parts_of(site, card))
            troubles = [site.switch_trouble(card)]
        if not card.has_link:
            troubles.append(f"“{card.name}” is down or has no link.")
        notes, marks = [], []
        for part in parts:
            found = card.marks_on(part.unit)
            marks += found[:1]
            notes += [f"{part.unit} has lease {mark.lease_id}." for mark in found[:1]]
            if len({mark.lease_id for mark in found}) > 1:
                troubles.append(f"{part.unit} has the marks of several leases.")
        latest = max(marks, key=lambda mark: mark.epoch, default=None)
        troubles = [trouble for trouble in troubles if trouble]
        functions = [card.functions[vf] for vf in _numbers(site.settings, card)]
        return Observation(
            healthy=not troubles,
            carries=latest.lease_id if latest else None,
            epoch=latest.epoch if latest else None,
            detail=" ".join(troubles + notes) or f"{len(parts)} functions, all free.",
            measurements={
                "received_bytes_total": float(sum(function.received_bytes for function in functions)),
                "sent_bytes_total": float(sum(function.sent_bytes for function in functions)),
            }
            if functions
            else {},
        )

    def provision(self, order: LeaseOrder) -> Access:
        """Mark the functions, and set them up with the link down. A new `ends_at` needs no change here."""
        with reach(order.target) as site:
            card = site.card()
            parts = list(parts_of(site, card))
            trouble = site.switch_trouble(card)
            if trouble:
                raise DeviceRefused(trouble)
            Handover(site).refuse_what_cannot_be(card)
            for part in parts:
                _refuse_others(card, part, order)
                part.refuse(order)
            facts = [part.facts(order) for part in parts]
            for part in parts:
                is_new = _take(site, card, part, order)
                part.prepare(order, is_new=is_new)
        return _access(site.settings, facts)

    def admit(self, order: LeaseOrder) -> None:
        """Let the links come up; move the interface to the holder where the site says so."""
        with reach(order.target) as site:
            card = site.card()
            parts = list(parts_of(site, card))
            for part in parts:
                _refuse_others(card, part, order)
                if _mark(part, order) not in card.marks:
                    raise DeviceRefused(f"{part.unit} of “{card.name}” was not prepared for this lease.")
            for part in parts:
                part.open(order)
            Handover(site).give(card, order)

    def isolate(self, order: LeaseOrder) -> None:
        """Take the links down, VLAN and address away. What carries another lease is left alone."""
        with reach(order.target) as site:
            self._close(site, order)

    def release(self, order: LeaseOrder) -> CleanProof:
        """Park the functions, look at them through a fresh socket, and only then remove the marks."""
        with reach(order.target) as site:
            card = site.card()
            for part in parts_of(site, card):
                try:
                    _refuse_others(card, part, order)
                except DeviceRefused as stale:
                    raise DeviceBusy(str(stale)) from stale
            self._close(site, order)
            for part in parts_of(site, card):
                part.park()
        with reach(order.target) as site:
            card = site.card()
            if all(check.passed for check in _checks(site, card)):
                for part in parts_of(site, card):
                    for mark in card.marks_on(part.unit):
                        if mark.lease_id == order.lease_id:
                            remove_mark(site.route, card, mark)
        with reach(order.target) as site:
            card = site.card()
            checks = [*_checks(site, card), *(_mark_check(card, part) for part in parts_of(site, card))]
        return CleanProof(checks=tuple(checks), verified_at=datetime.now(UTC), verifier=VERIFIER)

    def discover(self, target: Target) -> tuple[FoundDevice, ...]:
        """Return the card with its virtual functions as parts."""
        with reach(target) as site:
            return (found_card(site, site.card()),)

    def _close(self, site: Site, order: LeaseOrder) -> None:
        """Close all functions that are this lease's or nobody's; go on when one of them cannot be closed."""
        card = site.card()
        failure: AdapterError | None = None
        for part in parts_of(site, card, only_existing=True):
            marks = card.marks_on(part.unit)
            if any(mark.lease_id != order.lease_id for mark in marks):
                continue
            if any(mark.epoch > order.epoch for mark in marks):
                raise DeviceRefused(_is_stale(part, marks[0], order))
            try:
                part.close()
            except AdapterError as error:
                failure = failure or error
            try:
                Handover(site).take_back(card)
            except AdapterError as error:
                failure = failure or error
        if failure is not None:
            raise failure


ADAPTER = SmartNicSriov


def _mark(part: Part, order: LeaseOrder) -> Mark:
    return Mark(part.unit, order.lease_id, order.epoch)


def _numbers(settings: Settings, card: Card) -> list[int]:
    if settings.port_function is not None:
        return []
    return [vf for vf in card.functions if settings.vf in (None, vf)]


def _refuse_others(card: Card, part: Part, order: LeaseOrder) -> None:
    """Refuse a function that carries another lease, or this one in a later hand-over."""
    for mark in card.marks_on(part.unit):
        if mark.lease_id != order.lease_id:
            raise DeviceBusy(f"{part.unit} of “{card.name}” still carries lease {mark.lease_id}.")
        if mark.epoch > order.epoch:
            raise DeviceRefused(_is_stale(part, mark, order))


def _is_stale(part: Part, mark: Mark, order: LeaseOrder) -> str:
    return f"{part.unit} carries this lease in epoch {mark.epoch}; the order is of {order.epoch}."


def _take(site: Site, card: Card, part: Part, order: LeaseOrder) -> bool:
    """Write the lease's mark on a function and say whether it is new there; closed before it is marked."""
    ours = _mark(part, order)
    earlier = [mark for mark in card.marks_on(part.unit) if mark != ours]
    if ours in card.marks and not earlier:
        return False
    part.close()
    add_mark(site.route, card, ours)
    for mark in earlier:
        remove_mark(site.route, card, mark)
    now = site.card().marks_on(part.unit)
    rival = next((mark for mark in now if mark.lease_id != order.lease_id), None)
    if rival is not None:
        # Somebody wrote theirs between our look and our mark: who sees the other's gives way.
        remove_mark(site.route, card, ours)
        raise DeviceBusy(f"{part.unit} of “{card.name}” was taken by lease {rival.lease_id} just now.")
    if now != [ours]:
        raise OutcomeUnknown(f"The kernel said that {part.unit} of “{card.name}” was marked, and it is not.")
    return True


def _checks(site: Site, card: Card) -> list[Check]:
    checks = [check for part in parts_of(site, card) for check in part.checks()]
    return checks + Handover(site).checks(card)


def _mark_check(card: Card, part: Part) -> Check:
    found = ", ".join(mark.text for mark in card.marks_on(part.unit))
    return Check(
        name=f"Mark of a lease on {part.unit}",
        expected="none",
        found=found or "none",
        passed=not found,
        method="Alternative names of the card, read on a socket opened for it",
    )


def _access(settings: Settings, facts: list[dict[str, object]]) -> Access:
    host, port = settings.holder_host, settings.holder_port
    words = "; ".join(_words(entry) for entry in facts[:4]) + ("; …" if len(facts) > 4 else "")
    where = f" in the network namespace “{settings.namespace}”" if settings.namespace else ""
    return Access(
        instructions=(
            f"On {host} you have {len(facts)} function(s) of the card “{settings.card}”{where}: {words}. The "
            "link comes up when the lease begins. Send from the address given; frames from others are "
            "dropped unless your lease says otherwise. At the end the link goes down and the address, the "
            "VLAN and the rates are set back."
        ),
        endpoints=(
            Endpoint(
                label="Machine with the card",
                protocol="ssh",
                host=host,
                port=port,
                command=f"ssh {host}" if port == 22 else f"ssh -p {port} {host}",
            ),
        ),
        files=(
            AccessFile(
                name="functions.json",
                content=json.dumps({"card": settings.card, "functions": facts}, indent=2) + "\n",
            ),
        ),
    )


def _words(facts: dict[str, object]) -> str:
    pci, vlan = facts.get("pci"), facts.get("vlan")
    return (
        f"{facts['function']}{f' at PCI {pci}' if pci else ''} with the address {facts['mac']}"
        f"{f' in VLAN {vlan}' if vlan else ''}"
    )
