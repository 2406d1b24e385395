"""The emulated controller: what it knows, what it refuses, and how time goes on in it."""

import json
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adapters.emulators.slurm.nouns import EmulatedJob, EmulatedNode, EmulatedReservation, Refusal

_TOLERATED_DELAY_S = 600
_OVERLAPS = "Requested reservation overlaps with another reservation"
_BUSY = "Requested nodes are busy"
_INVALID_LICENCE = "Invalid license specification"


class Cluster:
    """One controller. All calls hold its lock; each begins by letting pass what time has brought."""

    def __init__(
        self,
        *,
        nodes: Iterable[EmulatedNode],
        users: Iterable[str],
        accounts: Iterable[str] = (),
        licences: Mapping[str, int] | None = None,
        version: str = "22.05.8",
        state: Path | None = None,
        completing_s: float = 0.02,
    ) -> None:
        self.lock = threading.RLock()
        self.nodes = {node.name: node for node in nodes}
        self.users = {"root", "slurm", *users}
        self.accounts = set(accounts)
        """The accounts that it knows; empty: whatever is said, as without slurmdbd."""
        self.licences = dict(licences or {})
        self.version = version
        self.completing_s = completing_s
        self.reservations: dict[str, EmulatedReservation] = {}
        self.jobs: dict[int, EmulatedJob] = {}
        self.changes = 0
        self._state = state
        self._next_job = 1
        self._load()

    @property
    def release(self) -> tuple[int, int]:
        """Year and month of the version."""
        year, month, *_ = self.version.split(".")
        return int(year), int(month)

    # --- reservations -----------------------------------------------------------------------------

    def create(self, wish: EmulatedReservation, *, caller: str) -> EmulatedReservation:
        """Make a reservation, or refuse it as Slurm does."""
        self._refuse_strangers(caller)
        now = time.time()
        self._check_people(wish.users, wish.accounts)
        if wish.start < now - _TOLERATED_DELAY_S or wish.end <= now or wish.end <= wish.start:
            raise Refusal("Invalid time specified", number=2028)
        if wish.name in self.reservations:
            raise Refusal("Duplicate reservation name", number=2054)
        if not wish.nodes and not wish.licences:
            raise Refusal("Invalid node name specified", number=2006)
        self._check_room(wish)
        self.reservations[wish.name] = wish
        self._changed()
        return wish

    def update(self, name: str, values: Mapping[str, Any], *, caller: str) -> EmulatedReservation:
        """Change a reservation: `start`, `end`, `users`, `accounts`, `comment`."""
        self._refuse_strangers(caller)
        found = self._reservation(name)
        wish = EmulatedReservation(**(asdict(found) | dict(values)))
        self._check_people(wish.users, wish.accounts)
        now = time.time()
        if "start" in values and found.start <= now and wish.start != found.start:
            raise Refusal("Reservation already started", number=2131)
        if "end" in values and (wish.end <= now or wish.end <= wish.start):
            raise Refusal("Invalid time specified", number=2028)
        if "start" in values or "end" in values:
            self._check_room(wish)
        self.reservations[name] = wish
        self._changed()
        return wish

    def delete(self, name: str, *, caller: str) -> None:
        """Delete a reservation in which no job is."""
        self._refuse_strangers(caller)
        self._reservation(name)
        if any(job.reservation == name for job in self._alive()):
            raise Refusal("Requested reservation is in use", number=2055)
        del self.reservations[name]
        self._changed()

    # --- jobs -------------------------------------------------------------------------------------

    def submit(self, job: EmulatedJob) -> EmulatedJob:
        """Take a job, or refuse it; it starts as soon as there is room."""
        if job.user not in self.users:
            raise Refusal("Invalid user id", number=2010)
        if self.accounts and job.account and job.account not in self.accounts:
            raise Refusal("Invalid account or account/partition combination specified", number=2045)
        if any(name not in self.licences for name in job.licences):
            raise Refusal(_INVALID_LICENCE, number=2048)
        if job.reservation:
            found = self._reservation(job.reservation)
            if not self._may_use(job, found):
                raise Refusal("Access denied to requested reservation", number=2051)
        if not any(self._could_run_on(job, node) for node in self.nodes.values()):
            raise Refusal("Requested node configuration is not available", number=2014)
        job.number, self._next_job = self._next_job, self._next_job + 1
        self.jobs[job.number] = job
        self._changed(counts=False)
        self.tick()
        return job

    def cancel(self, number: int, *, caller: str, kill: bool) -> None:
        """End a job; one that is stubborn goes only when it is killed."""
        job = self.jobs.get(number)
        if job is None or job.is_over:
            raise Refusal("Invalid job id specified", number=2017)
        if caller not in ("root", "slurm", job.user):
            raise Refusal("Access/permission denied", number=2002)
        if job.state == "PENDING" and not kill:
            self._end(job, "CANCELLED")
        elif job.state == "RUNNING" and (kill or not job.stubborn):
            job.state, job.ended = "COMPLETING", time.time()
        self._changed(counts=False)

    def reboot(self) -> None:
        """Start all nodes again: jobs are gone, what the controller knows stays."""
        for job in self._alive():
            if job.node:
                self._end(job, "NODE_FAIL")
        self._changed(counts=False)

    # --- looking ----------------------------------------------------------------------------------

    def tick(self) -> None:
        """Let pass what time has brought: ends of jobs and reservations, starts of those that wait."""
        now = time.time()
        for job in list(self._alive()):
            if job.state == "COMPLETING" and now >= job.ended + self.completing_s:
                self._end(job, "CANCELLED")
            elif job.state == "RUNNING" and now >= job.started + 60 * job.minutes:
                job.state, job.ended = "COMPLETING", now
        for found in list(self.reservations.values()):
            if found.end <= now:
                self._expire(found, now)
        for job in self._alive():
            if job.state == "PENDING":
                self._try_to_start(job, now)

    def jobs_on(self, node: str) -> list[EmulatedJob]:
        """Return the jobs that have something of the node."""
        return [job for job in self._alive() if job.node == node]

    def alive(self) -> list[EmulatedJob]:
        """Return the jobs that are not over."""
        return list(self._alive())

    def used_licences(self, name: str) -> int:
        """Return how many licences running jobs have."""
        return sum(job.licences.get(name, 0) for job in self._alive() if job.node)

    def reserved_licences(self, name: str) -> int:
        """Return how many licences are reserved now."""
        now = time.time()
        return sum(
            found.licences.get(name, 0)
            for found in self.reservations.values()
            if found.start <= now < found.end
        )

    # --- underneath -------------------------------------------------------------------------------

    def _alive(self) -> list[EmulatedJob]:
        return [job for job in self.jobs.values() if not job.is_over]

    def _reservation(self, name: str) -> EmulatedReservation:
        if name not in self.reservations:
            raise Refusal("Requested reservation is invalid", number=2053)
        return self.reservations[name]

    def _refuse_strangers(self, caller: str) -> None:
        if caller not in ("root", "slurm"):
            raise Refusal("Invalid user id", number=2010)

    def _check_people(self, users: list[str], accounts: list[str]) -> None:
        if not users and not accounts:
            raise Refusal("Reservation request lacks users, groups or accounts", number=2109)
        if any(user not in self.users for user in users):
            raise Refusal("Invalid user id", number=2010)
        if self.accounts and any(account not in self.accounts for account in accounts):
            raise Refusal("Invalid account or account/partition combination specified", number=2045)

    def _check_room(self, wish: EmulatedReservation) -> None:
        if any(name not in self.nodes for name in wish.nodes):
            raise Refusal("Invalid node name specified", number=2006)
        rivals = [
            found
            for found in self.reservations.values()
            if found.name != wish.name and found.start < wish.end and found.end > wish.start
        ]
        for name, count in wish.licences.items():
            taken = sum(found.licences.get(name, 0) for found in rivals)
            if taken + count > self.licences.get(name, 0):
                raise Refusal(_INVALID_LICENCE, number=2048)
        for name in wish.nodes:
            self._check_node(wish, self.nodes[name], [found for found in rivals if name in found.nodes])

    def _check_node(
        self, wish: EmulatedReservation, node: EmulatedNode, rivals: list[EmulatedReservation]
    ) -> None:
        # As Slurm does it: cores of a reserved node are refused, a whole node of which cores are reserved is not.
        if any(not found.is_partial for found in rivals):
            raise Refusal(_OVERLAPS, number=2052)
        if wish.cores and sum(found.cores for found in rivals) + wish.cores > node.cpus:
            raise Refusal(_BUSY, number=2016)
        if wish.cards and sum(found.cards for found in rivals) + wish.cards > node.cards:
            raise Refusal(_BUSY, number=2016)
        strangers = [job for job in self.jobs_on(node.name) if job.reservation != wish.name]
        strangers = [job for job in strangers if job.started + 60 * job.minutes > wish.start]
        used = sum(job.cards for job in strangers)
        if strangers and (not wish.is_partial or (wish.cards and used + wish.cards > node.cards)):
            raise Refusal(_BUSY, number=2016)

    def _may_use(self, job: EmulatedJob, found: EmulatedReservation) -> bool:
        user = not found.users or job.user in found.users
        return user and (not found.accounts or job.account in found.accounts)

    def _could_run_on(self, job: EmulatedJob, node: EmulatedNode) -> bool:
        kind = not job.gpu or job.gpu == node.gpu
        return kind and job.cards <= node.cards and job.wants in ("", node.name)

    def _try_to_start(self, job: EmulatedJob, now: float) -> None:
        found = self.reservations.get(job.reservation) if job.reservation else None
        if job.reservation and found is None:
            job.reason = "ReservationDeleted"
            return
        if found is not None and not (found.start <= now < found.end and self._may_use(job, found)):
            job.reason = "Reservation"
            return
        if any(self.used_licences(name) + count > self.licences[name] for name, count in job.licences.items()):
            job.reason = "Licenses"
            return
        for node in self.nodes.values():
            if self._has_room(job, node, found, now):
                job.state, job.node, job.started, job.reason = "RUNNING", node.name, now, "None"
                self._changed(counts=False)
                return
        job.reason = "Resources"

    def _has_room(
        self, job: EmulatedJob, node: EmulatedNode, found: EmulatedReservation | None, now: float
    ) -> bool:
        if node.down or node.drained or not self._could_run_on(job, node):
            return False
        if found is not None and found.nodes and node.name not in found.nodes:
            return False
        if found is None or not found.nodes:
            ends = now + 60 * job.minutes
            others = [other for other in self.reservations.values() if node.name in other.nodes]
            if any(other.start < ends and other.end > now and not other.is_partial for other in others):
                return False
        here = self.jobs_on(node.name)
        return len(here) < node.cpus and sum(one.cards for one in here) + job.cards <= node.cards

    def _expire(self, found: EmulatedReservation, now: float) -> None:
        for job in self._alive():
            if job.reservation == found.name:
                if job.state == "RUNNING":
                    job.state, job.ended = "COMPLETING", now
                elif job.state == "PENDING":
                    job.reservation, job.reason = "", "JobHeldUser"
        del self.reservations[found.name]
        self._changed(counts=False)

    def _end(self, job: EmulatedJob, state: str) -> None:
        job.state = state  # type: ignore[assignment]
        job.node = ""

    def _changed(self, *, counts: bool = True) -> None:
        self.changes += counts
        if self._state is not None:
            kept = {
                "next_job": self._next_job,
                "reservations": [asdict(found) for found in self.reservations.values()],
                "jobs": [asdict(job) for job in self._alive()],
            }
            text = json.dumps(kept, indent=1)
            fresh = self._state.with_suffix(".new")
            fresh.write_text(text)
            fresh.replace(self._state)

    def _load(self) -> None:
        if self._state is None or not self._state.exists():
            return
        kept = json.loads(self._state.read_text())
        self._next_job = kept["next_job"]
        self.reservations = {entry["name"]: EmulatedReservation(**entry) for entry in kept["reservations"]}
        self.jobs = {entry["number"]: EmulatedJob(**entry) for entry in kept["jobs"]}
