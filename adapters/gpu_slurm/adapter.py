"""Lends nodes and cards of a Slurm cluster: a reservation for each lease, deleted after it."""

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from adapters.contract import (
    Access,
    Adapter,
    CleanProof,
    FoundDevice,
    LeaseOrder,
    Observation,
    Target,
)
from adapters.contract.reading import read
from adapters.errors import (
    AdapterError,
    DeviceBusy,
    DeviceRefused,
    DeviceUnreachable,
    InvalidSettings,
    OutcomeUnknown,
)
from adapters.gpu_slurm.access import Person, access_to, person_for
from adapters.gpu_slurm.client import Slurm, connect
from adapters.gpu_slurm.inventory import found_nodes
from adapters.gpu_slurm.marks import comment_for, long_name, mark_of
from adapters.gpu_slurm.nouns import Job, Node, Reservation, Wish
from adapters.gpu_slurm.observation import observed
from adapters.gpu_slurm.ownership import busy_with, epoch_of, look, refuse_rivals, reservation_of, rivals_of
from adapters.gpu_slurm.proof import checks_of_nodes, jobs_of, proof_of_absence, unclean
from adapters.gpu_slurm.settings import DESCRIPTION, SlurmSettings

_MINUTE = timedelta(minutes=1)
_PAUSE_S = 0.05


class GpuSlurm(Adapter):
    """Nodes and graphics cards behind a Slurm controller."""

    description = DESCRIPTION

    def observe(self, target: Target) -> Observation:
        """Look which of our reservations has the nodes, and how they are."""
        settings = _settings_of(target)
        with self._connect(settings) as slurm:
            return observed(slurm, settings, target)

    def provision(self, order: LeaseOrder) -> Access:
        """Make the reservation, closed to everybody but the user of closed reservations."""
        settings = _settings_of(order.target)
        person = person_for(settings, order)
        wish = _wish(settings, order)
        with self._connect(settings) as slurm:
            slurm.version()
            now = look(slurm, settings, order, wish)
            refuse_rivals(now, order)
            mine = now.mine
            if mine is not None and epoch_of(mine) < order.epoch:
                mine = _take_over(slurm, settings, order, wish, mine)
            if mine is None:
                _refuse_bad_nodes(slurm, settings)
                _refuse_strangers(slurm, settings, wish)
                mine = self._create(slurm, settings, order, wish)
            elif abs(mine.ends_at - wish.ends_at) >= _MINUTE:
                mine = self._move_end(slurm, settings, order, wish, mine)
            return access_to(settings, person, mine.name, order)

    def admit(self, order: LeaseOrder) -> None:
        """Open the reservation to the holder's user or account."""
        settings = _settings_of(order.target)
        person = person_for(settings, order)
        with self._connect(settings) as slurm:
            now = look(slurm, settings, order, _wish(settings, order))
            refuse_rivals(now, order)
            if now.mine is None:
                raise OutcomeUnknown(
                    f"There is no reservation for the lease {order.lease_id}: provision it first."
                )
            if person.may_use(now.mine):
                return
            try:
                slurm.admit(now.mine.name, user=person.user, account=person.account)
            except DeviceRefused as error:
                raise _unknown_person(error, person, order) from error
            after = reservation_of(slurm.reservations(), order)
            if after is None or not person.may_use(after):
                raise OutcomeUnknown(f"Slurm says that it opened {now.mine.name}, but does not show it.")

    def isolate(self, order: LeaseOrder) -> None:
        """Close the reservation, then cancel every job in it, also those that wait."""
        settings = _settings_of(order.target)
        with self._connect(settings) as slurm:
            _close(slurm, settings, order)

    def release(self, order: LeaseOrder) -> CleanProof:
        """Cancel, look at the nodes while they are still held, delete the reservation, and prove it."""
        settings = _settings_of(order.target)
        with self._connect(settings) as slurm:
            mine = _close(slurm, settings, order)
            rivals = rivals_of(slurm.reservations(), settings, order)
            if rivals and mine is None:
                raise busy_with(rivals[0], order)
            before = checks_of_nodes(
                settings=settings, secrets=self.secrets, order=order, is_held=mine is not None
            )
            if not all(check.passed for check in before):
                return unclean(before)
            if mine is not None:
                _delete(slurm, settings, mine)
            if rivals:
                raise busy_with(rivals[0], order)
        return proof_of_absence(settings=settings, secrets=self.secrets, order=order, before=before)

    def discover(self, target: Target) -> tuple[FoundDevice, ...]:
        """Return the cluster's nodes that have cards."""
        settings = read(SlurmSettings, target.settings)
        with self._connect(settings) as slurm:
            version = slurm.version()
            return found_nodes(slurm.nodes(), slurm.licences(), version=version)

    # --- making and changing ----------------------------------------------------------------------

    def _create(self, slurm: Slurm, settings: SlurmSettings, order: LeaseOrder, wish: Wish) -> Reservation:
        if wish.ends_at <= datetime.now(UTC):
            raise DeviceRefused(f"The lease ended at {order.ends_at:%H:%M} UTC: there is nothing to reserve.")
        try:
            slurm.create(wish, plain_name=long_name(order, wish))
        except DeviceBusy as error:
            raise DeviceBusy(f"{error} {_who_holds(slurm, settings, wish)}") from error
        except DeviceRefused as error:
            raise _explained(error, slurm, settings) from error
        mine = reservation_of(slurm.reservations(), order)
        if mine is None:
            raise OutcomeUnknown(f"Slurm says that it made {wish.name}, but does not show it.")
        return mine

    def _move_end(
        self, slurm: Slurm, settings: SlurmSettings, order: LeaseOrder, wish: Wish, mine: Reservation
    ) -> Reservation:
        try:
            slurm.set_end(mine.name, wish.ends_at)
        except DeviceBusy as error:
            raise DeviceBusy(f"{error} {_who_holds(slurm, settings, wish)}") from error
        after = reservation_of(slurm.reservations(), order)
        if after is None or abs(after.ends_at - wish.ends_at) >= _MINUTE:
            raise OutcomeUnknown(f"Slurm says that it moved the end of {mine.name}, but does not show it.")
        return after

    def _connect(self, settings: SlurmSettings) -> Slurm:
        return connect(settings, self.secrets)


ADAPTER = GpuSlurm


def _settings_of(target: Target) -> SlurmSettings:
    settings = read(SlurmSettings, target.settings)
    if settings.way != "licenses" and not settings.nodes:
        raise InvalidSettings(f"{target.name} has no nodes: give “nodes” in its settings.")
    return settings


def _wish(settings: SlurmSettings, order: LeaseOrder) -> Wish:
    starts_at: datetime | None = _down_to_the_minute(order.starts_at)
    if starts_at is not None and starts_at <= datetime.now(UTC) + timedelta(seconds=5):
        starts_at = None
    bare = Wish(
        name=order.tag,
        starts_at=starts_at,
        # Slurm ends the reservation itself at its end, and every job in it. The minutes beyond the lease
        # are for cleaning: nobody else's job comes onto the nodes before they are looked at.
        ends_at=_up_to_the_minute(order.ends_at) + timedelta(minutes=settings.hold_min),
        users=settings.closed_user,
        nodes=settings.nodes if settings.way != "licenses" else (),
        cores=settings.cores if settings.way == "cores" else None,
        licence=settings.licence or "" if settings.way == "licenses" else "",
        gres=settings.gres or "" if settings.way == "gres" else "",
        partition=settings.partition,
        flag="ANY_NODES" if settings.way == "licenses" else "STATIC_ALLOC",
    )
    return bare.named(order.tag, comment=comment_for(order, bare))


def _down_to_the_minute(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def _up_to_the_minute(moment: datetime) -> datetime:
    down = _down_to_the_minute(moment)
    return down if down == moment else down + _MINUTE


# --- what is in the way ----------------------------------------------------------------------------------


def _refuse_strangers(slurm: Slurm, settings: SlurmSettings, wish: Wish) -> None:
    """Raise when somebody's own reservation has something of the nodes.

    Slurm refuses a reservation of nodes that another one has, and makes it where the other has cores only.
    """
    if settings.way != "nodes":
        return
    strangers = [found for found in _overlapping(slurm, wish) if mark_of(found) is None]
    if strangers:
        raise DeviceBusy(f"{', '.join(wish.nodes)} cannot be reserved. In the way: {_label(strangers[0])}.")


def _who_holds(slurm: Slurm, settings: SlurmSettings, wish: Wish) -> str:
    """Say which reservations and jobs are in the way."""
    with suppress(AdapterError):
        reservations = [_label(found) for found in _overlapping(slurm, wish)]
        jobs = [job.label for job in slurm.jobs() if set(job.nodes) & set(wish.nodes)]
        if reservations or jobs:
            return f"In the way: {', '.join([*reservations, *jobs][:10])}."
    return f"In the way is somebody on {settings.ways_of_reserving}."


def _overlapping(slurm: Slurm, wish: Wish) -> list[Reservation]:
    starts_at = wish.starts_at or datetime.now(UTC)
    return [
        found
        for found in slurm.reservations()
        if set(found.nodes) & set(wish.nodes)
        and found.starts_at < wish.ends_at
        and found.ends_at > starts_at
        and not found.name.startswith(wish.name)
    ]


def _label(found: Reservation) -> str:
    return f"reservation {found.name} until {found.ends_at:%d %b %H:%M} UTC"


def _explained(error: DeviceRefused, slurm: Slurm, settings: SlurmSettings) -> AdapterError:
    words = str(error)
    if "invalid user" in words.lower() or "user id" in words.lower():
        return InvalidSettings(
            f"{words} Either the cluster does not know “{settings.closed_user}”, or SHARY's own user there may not "
            "make reservations: it needs the level “operator”."
        )
    if settings.way == "licenses" and "license" in words.lower():
        name, _, count = (settings.licence or "").partition(":")
        known = next((licence for licence in slurm.licences() if licence.name == name), None)
        if known is None:
            return InvalidSettings(f"{words} The cluster has no licence “{name}”.")
        return DeviceBusy(
            f"{words} Of {known.total} {name}, {known.reserved} are reserved; this lease wants {count}."
        )
    return error


def _unknown_person(error: DeviceRefused, person: Person, order: LeaseOrder) -> AdapterError:
    if "invalid" not in str(error).lower():
        return error
    who = " and ".join(
        part
        for part in (
            f"the user “{person.user}”" if person.user else "",
            f"the account “{person.account}”" if person.account else "",
        )
        if part
    )
    return DeviceRefused(
        f"{error} The settings of {order.target.name} say that {order.holder.username} is {who} at the cluster. "
        "Ask the operator to correct “Users” and “Accounts”."
    )


def _refuse_bad_nodes(slurm: Slurm, settings: SlurmSettings) -> None:
    if not settings.nodes:
        return
    known = {node.name: node for node in slurm.nodes()}
    for name in settings.nodes:
        node: Node | None = known.get(name)
        if node is None:
            there = ", ".join(sorted(known)) or "none"
            raise InvalidSettings(f"The cluster has no node “{name}”. It has: {there}.")
        # Slurm makes reservations of nodes on which no job can run.
        if node.trouble and node.is_marked_bad:
            raise DeviceRefused(node.trouble)
        if node.trouble:
            raise DeviceUnreachable(node.trouble)


# --- closing ------------------------------------------------------------------------------------------


def _take_over(
    slurm: Slurm, settings: SlurmSettings, order: LeaseOrder, wish: Wish, mine: Reservation
) -> Reservation | None:
    """Make the lease's reservation of an earlier epoch one of this epoch; None where it had to go."""
    if mine.comment:
        slurm.set_comment(mine.name, wish.comment)
        after = reservation_of(slurm.reservations(), order)
        if after is None or epoch_of(after) != order.epoch:
            raise OutcomeUnknown(f"Slurm says that it marked {mine.name}, but does not show it.")
        return after
    # The epoch is in the name, and a reservation keeps its name.
    _close(slurm, settings, order)
    _delete(slurm, settings, mine)
    return None


def _close(slurm: Slurm, settings: SlurmSettings, order: LeaseOrder) -> Reservation | None:
    """Let nobody in, end all jobs, and see that it is so; return the reservation, if there is one."""
    mine = reservation_of(slurm.reservations(), order)
    closed = Person(user=settings.closed_user)
    # Whatever fails on the way, the jobs go; the look at the end decides.
    if mine is not None and not closed.may_use(mine):
        with suppress(AdapterError):
            slurm.admit(mine.name, user=closed.user, account="")
    deadline = time.monotonic() + settings.settle_s
    while True:
        alive = _alive(jobs_of(order, slurm.jobs()))
        if not alive:
            break
        if time.monotonic() > deadline:
            raise OutcomeUnknown(f"Slurm does not end {alive[0].label}, though it was told to.")
        # A job that ended by itself meanwhile is refused; the next look tells.
        with suppress(DeviceRefused):
            slurm.cancel(alive)
        time.sleep(_PAUSE_S)
    if mine is None:
        return None
    after = reservation_of(slurm.reservations(), order)
    if after is not None and not closed.may_use(after):
        raise OutcomeUnknown(
            f"Reservation {after.name} should be closed, but {', '.join(after.users)} may use it."
        )
    return after


def _alive(jobs: Sequence[Job]) -> tuple[Job, ...]:
    return tuple(job for job in jobs if job.state != "COMPLETING")


def _delete(slurm: Slurm, settings: SlurmSettings, mine: Reservation) -> None:
    """Delete the reservation; a job that is just ending may keep it in use for a moment."""
    deadline = time.monotonic() + settings.settle_s
    while True:
        try:
            return slurm.delete(mine.name)
        except DeviceBusy:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)
