"""The verbs of a P4 switch.

A lease has the whole switch. Before its start and after its end the switch is *parked*: it runs our
drop-all program, which forwards nothing and has no tables to fill. `provision` tries the holder's
program for a moment, to see that the switch takes it, and parks; `admit` pushes it, which takes
milliseconds; `isolate` outbids the holder and parks.

What this keeps, and what it does not: election ids put well-meaning controllers in order, and a
switch that follows the specification remembers the highest, so that neither an earlier holder nor
one whose time is over becomes primary again. They keep nobody out who means ill: every controller
that reaches the switch may read its tables, learn the highest id, and bid more. BMv2 compares only
the ids of controllers that are connected. The boundary is the site's gateway (`p4_gateway`), which lets
the holder, and nobody else, speak to the switch between start and end, or without one the network.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from adapters.contract import (
    Access,
    Adapter,
    Artefact,
    Check,
    CleanProof,
    FoundDevice,
    LeaseOrder,
    Observation,
    Rehearsal,
    Target,
)
from adapters.contract.reading import read
from adapters.errors import DeviceBusy, DeviceRefused, OutcomeUnknown
from adapters.p4_switch.building import build
from adapters.p4_switch.client import Bidding, P4RuntimeClient, Tls
from adapters.p4_switch.door import WayIn
from adapters.p4_switch.election import (
    TENANT_BAND,
    ElectionId,
    holder_id,
    holder_id_in,
    preparing_id,
    revoking_id,
)
from adapters.p4_switch.pipelines import (
    Mark,
    digest_of,
    digest_of_p4info,
    holders_program,
    is_parked,
    mark_of,
    parked,
    parsed_p4info,
)
from adapters.p4_switch.rehearsal import rehearse
from adapters.p4_switch.residue import (
    check_earlier_program,
    clear_residue,
    look_for_residue,
    residue_checks,
)
from adapters.p4_switch.settings import DESCRIPTION, Settings

VERIFIER = "p4_switch 1"
_LAST_OPENING = 2**64 - 2**57
"""Above this there is no room for another holder's ids in the same epoch."""


class P4Switch(Adapter):
    """Drives one P4Runtime device."""

    description = DESCRIPTION

    def observe(self, target: Target) -> Observation:
        with self._connected(target) as (_, client, _):
            began = time.monotonic()
            config = client.pipeline()
            measurements = {"answer_ms": round((time.monotonic() - began) * 1000, 3)}
            mark = mark_of(config)
            epoch = mark.epoch if mark else None
            if mark is not None:
                detail = {
                    "trying": "is being prepared",
                    "prepared": "is prepared, access is closed",
                    "open": "is open to its holder",
                    "isolated": "is closed, not yet clean",
                }[mark.state]
            elif is_parked(config):
                detail = "is parked and free"
            elif config is None:
                detail = "runs no program"
            else:
                epoch = _holders_epoch(client)
                detail = f"runs a program of {'its holder' if epoch else 'nobody known'}"
            return Observation(
                healthy=True,
                carries=mark.lease_id if mark else None,
                epoch=epoch,
                detail=f"{target.name} {detail}.",
                measurements=measurements,
            )

    def provision(self, order: LeaseOrder) -> Access:
        with self._connected(order.target) as (settings, client, way_in):
            config = client.pipeline()
            mark = _own_mark(client, config, order)
            if mark is not None and mark.state in ("prepared", "open"):
                return way_in.prepare(order, mark.holder)
            _refuse_bad_artefacts(order)
            with client.bidding() as bidding:
                won = _take(bidding, order, preparing_id(order.epoch), beside_holder=mark is None)
                holder = holder_id_in(won, order.lease_id, order.epoch)
                if holder and config is not None and not is_parked(config):
                    # The holder is in control already, with a program pushed over ours.
                    return way_in.prepare(order, holder)
                if won.high != order.epoch or won.low >= _LAST_OPENING:
                    raise DeviceBusy(
                        f"{order.target.name} has seen all election ids of this lease's epoch: restart the "
                        "switch, which makes it forget them."
                    )
                mark = Mark(
                    lease_id=order.lease_id,
                    epoch=order.epoch,
                    state="trying",
                    holder=holder or holder_id(order.lease_id, order.epoch, above=won),
                )
                _push(client, settings, holders_program(order, mark), won)
                _refuse_residue(client, order)
                prepared = replace(mark, state="prepared")
                _push(client, settings, parked(settings.architecture, prepared), won)
            return way_in.prepare(order, mark.holder)

    def admit(self, order: LeaseOrder) -> None:
        with self._connected(order.target) as (settings, client, way_in):
            mark = _own_mark(client, client.pipeline(), order)
            if mark is None:
                with client.bidding() as bidding:
                    highest = bidding.bid(None).highest
                if holder := holder_id_in(highest, order.lease_id, order.epoch):
                    # The holder is in control, with a program pushed over ours: only the end may be new.
                    way_in.prepare(order, holder)
                    way_in.open(order)
                    return
                raise OutcomeUnknown(
                    f"{order.target.name} does not carry the lease that is to be opened: it was restarted, or "
                    "never prepared. Prepare it again."
                )
            if mark.state == "open":
                way_in.open(order)
                return
            if mark.state != "prepared":
                raise DeviceRefused(
                    f"{order.target.name} is {mark.state} for this lease: prepare it again before it is opened."
                )
            with client.bidding() as bidding:
                won = _take(bidding, order, preparing_id(order.epoch), beside_holder=True, below=mark.holder)
                _push(client, settings, holders_program(order, replace(mark, state="open")), won)
            way_in.open(order)

    def isolate(self, order: LeaseOrder) -> None:
        # First the door, which also closes when the switch itself is out of reach.
        self._way_in(_settings(order.target)).close(order)
        with self._connected(order.target) as (settings, client, _):
            mark = _own_mark(client, client.pipeline(), order)
            holder = mark.holder if mark else holder_id(order.lease_id, order.epoch)
            closed = parked(
                settings.architecture,
                Mark(lease_id=order.lease_id, epoch=order.epoch, state="isolated", holder=holder),
            )
            with client.bidding() as bidding:
                won = _take(bidding, order, revoking_id(order.epoch))
                # Under our control nobody else can change it any more: what is read now stays.
                config = client.pipeline(whole=True)
                harmless = (closed, parked(settings.architecture))
                if not any(_same(config, safe, settings) for safe in harmless):
                    _push(client, settings, closed, won)

    def release(self, order: LeaseOrder) -> CleanProof:
        with self._connected(order.target) as (settings, client, way_in):
            _own_mark(client, client.pipeline(), order)  # refuses to touch another's lease
            way_in.close(order)
            way_in.forget(order)
            clean = parked(settings.architecture)
            with client.bidding() as bidding:
                won = _take(bidding, order, revoking_id(order.epoch))
                client.commit(clean, won)
                # A commit clears the tables; multicast groups and clone sessions may outlive it.
                clear_residue(client, clean.p4info, won)
        return self._proof(order, won)

    def discover(self, target: Target) -> tuple[FoundDevice, ...]:
        with self._connected(target) as (settings, client, _):
            version = client.version()
            client.pipeline()  # a server that knows the device answers, whatever it runs
            return (
                FoundDevice(
                    name=f"{settings.host}-{settings.device_id}",
                    kind="p4_switch",
                    model=f"P4Runtime {version} switch",
                    attributes={
                        "model": f"P4Runtime {version} switch",
                        "architecture": settings.architecture,
                        "p4runtime_version": version,
                    },
                    settings=dict(target.settings),
                ),
            )

    def rehearse(self, order: LeaseOrder) -> Rehearsal:
        return rehearse(_settings(order.target), order)

    def build(self, target: Target, files: Sequence[Artefact]) -> tuple[Artefact, ...]:
        return build(_settings(target), files)

    def _proof(self, order: LeaseOrder, ours: ElectionId) -> CleanProof:
        """Look at everything once more: on a new connection, which controls nothing."""
        with self._connected(order.target) as (settings, client, way_in):
            version = client.version()
            checks = [_check_control(client, ours), *way_in.checks(order)]
            config = client.pipeline(whole=True)
            checks += _check_program(config, parked(settings.architecture), settings)
            p4info = config.p4info if config is not None else parked(settings.architecture).p4info
            checks += residue_checks(client, p4info)
            if given := order.artefact("p4info"):
                checks.append(check_earlier_program(client, parsed_p4info(given.content)))
        return CleanProof(
            checks=tuple(checks), verified_at=datetime.now(UTC), verifier=f"{VERIFIER}, P4Runtime {version}"
        )

    @contextmanager
    def _connected(self, target: Target) -> Iterator[tuple[Settings, P4RuntimeClient, WayIn]]:
        settings = _settings(target)
        with P4RuntimeClient(
            address=f"{settings.host}:{settings.port}",
            device_id=settings.device_id,
            timeout_s=settings.answer_timeout_s,
            tls=self._tls(settings),
        ) as client:
            client.version()  # out of reach shows here, before anything is sent that changes something
            yield settings, client, self._way_in(settings)

    def _way_in(self, settings: Settings) -> WayIn:
        return WayIn(settings=settings, secrets=self.secrets, tls=self._tls(settings))

    def _tls(self, settings: Settings) -> Tls | None:
        if not settings.ca_secret:
            return None
        own = settings.certificate_secret
        return Tls(
            authority=self.secrets.read(settings.ca_secret).encode(),
            certificate=self.secrets.read(own).encode() if own else None,
            key=self.secrets.read(settings.key_secret).encode() if own else None,
            name=settings.tls_name,
        )


def _settings(target: Target) -> Settings:
    return read(Settings, target.settings, f"The settings of {target.name}")


def _holders_epoch(client: P4RuntimeClient) -> int | None:
    """Return in which epoch a holder has control, by the election id that the switch tells."""
    with client.bidding() as bidding:
        said = bidding.bid(None)
    seen = said.highest
    if said.standing != "backup" or seen is None or seen.low < TENANT_BAND:
        return None
    return seen.high


def _own_mark(client: P4RuntimeClient, config: Any | None, order: LeaseOrder) -> Mark | None:
    """Return the lease's mark on the switch, None when there is none; refuse to go on at another's."""
    mark = mark_of(config)
    if mark is None:
        return None
    if mark.lease_id == order.lease_id and mark.epoch <= order.epoch:
        return mark if mark.epoch == order.epoch else None
    with client.bidding() as bidding:
        highest = bidding.bid(None).highest
    if highest is not None and highest.high == order.epoch:
        # Control was last taken in our epoch, so the mark was made up: a holder who writes another
        # lease's name on the switch does not escape the end of the lease.
        return None
    if mark.lease_id == order.lease_id:
        raise DeviceBusy(
            f"{order.target.name} carries this lease in the later epoch {mark.epoch}: this order is stale."
        )
    raise DeviceBusy(
        f"{order.target.name} carries the lease {mark.lease_id} of epoch {mark.epoch}: release that first."
    )


def _take(
    bidding: Bidding,
    order: LeaseOrder,
    wanted: ElectionId,
    *,
    beside_holder: bool = False,
    below: ElectionId | None = None,
) -> ElectionId:
    """Take control and return the id that has it.

    `beside_holder`: when the lease's holder has control, return the holder's id: a switch asks for
    the primary's id, not on which connection it comes, and so the holder is not cut off.
    """
    said = bidding.bid(wanted)
    if said.standing != "primary" and (highest := said.highest) is not None:
        holders = beside_holder and holder_id_in(highest, order.lease_id, order.epoch) is not None
        if holders and said.standing == "backup":
            return highest
        # A holder who has just hung up comes back with the same id, and must not find it outbid.
        higher = highest if holders or highest.high > order.epoch else highest.next
        if holders or (not highest.is_later_than(order.epoch) and (below is None or higher < below)):
            wanted = higher
            said = bidding.bid(wanted)
    if said.standing == "primary":
        return wanted
    raise DeviceBusy(
        f"{order.target.name} is controlled from elsewhere, with the election id {said.highest}, which this "
        f"lease of epoch {order.epoch} may not outbid. Close that controller, or restart the switch, which "
        "makes it forget all ids."
    )


def _refuse_bad_artefacts(order: LeaseOrder) -> None:
    problems = DESCRIPTION.check_parameters(order.parameters, order.artefacts)
    if problems:
        raise DeviceRefused(" ".join(f"{problem.field}: {problem.message}" for problem in problems))


def _push(client: P4RuntimeClient, settings: Settings, config: Any, election_id: ElectionId) -> None:
    """Commit a program and make sure that the switch runs it."""
    client.commit(config, election_id)
    if not _same(client.pipeline(whole=True), config, settings):
        raise OutcomeUnknown(
            f"The switch at {client.address} said that it took the program, and then gave another one back."
        )


def _same(found: Any | None, wanted: Any, settings: Settings) -> bool:
    return all(check.passed for check in _check_program(found, wanted, settings))


def _check_program(found: Any | None, wanted: Any, settings: Settings) -> list[Check]:
    method = "GetForwardingPipelineConfig on a new connection without control"
    if found is None:
        return [Check(name="program", expected="drop-all", found="no program", passed=False, method=method)]
    withheld = settings.withholds_config and not found.p4_device_config
    wanted_digest = digest_of(wanted.p4_device_config)
    rows = [
        ("cookie", f"{wanted.cookie.cookie:#018x}", f"{found.cookie.cookie:#018x}"),
        ("P4Info", digest_of_p4info(wanted.p4info), digest_of_p4info(found.p4info)),
        ("device configuration", wanted_digest, digest_of(found.p4_device_config)),
    ]
    checks = [
        Check(name=name, expected=expected, found=seen, passed=expected == seen, method=method)
        for name, expected, seen in rows
    ]
    if withheld:
        checks[-1] = replace(checks[-1], found="withheld by the switch, as its settings say", passed=True)
    return checks


def _refuse_residue(client: P4RuntimeClient, order: LeaseOrder) -> None:
    config = client.pipeline()
    if config is None:
        raise OutcomeUnknown(f"{order.target.name} lost its program while it was looked at.")
    found = look_for_residue(client, config.p4info)
    # Counters may already have counted: the holder's program runs, and packets may come in.
    left = [each.kind.name for each in found if each.entities and not each.kind.name.endswith("counters")]
    if left:
        raise DeviceRefused(
            f"{order.target.name} was given a new program and still holds {', '.join(left)}: restart it."
        )


def _check_control(client: P4RuntimeClient, ours: ElectionId) -> Check:
    """Look whether any controller has control, now that we have given it up."""
    deadline = time.monotonic() + client.timeout_s
    with client.bidding() as bidding:
        said = bidding.bid(None)
        # The switch may need a moment to see that we hung up.
        while said.standing == "backup" and said.highest == ours and time.monotonic() < deadline:
            time.sleep(0.02)
            said = bidding.bid(None)
    return Check(
        name="control",
        expected="no controller has control",
        found=f"a controller has control, election id {said.highest}"
        if said.standing == "backup"
        else "no controller has control",
        passed=said.standing != "backup",
        method="asked as a controller that does not bid",
    )


ADAPTER = P4Switch
