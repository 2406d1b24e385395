"""Who may use which switch, and until when. Kept on disk: a gateway that starts again goes on from there."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path


class Refused(Exception):
    """What was asked of the gateway cannot be; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A switch, as the gateway reaches it."""

    address: str
    device_id: int
    authority: str = ""
    """PEM; empty: the connection to the switch is not encrypted."""
    certificate: str = ""
    key: str = ""
    name: str = ""

    @property
    def switch(self) -> str:
        """Return what tells one switch from another."""
        return f"{self.address}/{self.device_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One lease's right to one switch."""

    lease_id: str
    epoch: int
    upstream: Upstream
    election_high: int
    election_low: int
    """The one id under which the switch ever sees this lease."""
    starts_at: float
    ends_at: float
    certificate: str
    key: str
    fingerprint: str
    programs: tuple[str, ...] = ()
    """SHA-256 of the device configurations that may be pushed; empty: any."""
    ports: tuple[str, ...] = ()
    """The interfaces that gNMI may switch on and off."""
    is_open: bool = False

    def refusal_at(self, now: float) -> str:
        """Return why nobody may use it at this moment; empty when they may."""
        if now >= self.ends_at:
            return "The lease is over."
        if not self.is_open or now < self.starts_at:
            return "The lease has not begun, or was closed."
        return ""


class Book:
    """All grants, by lease; the highest epoch per switch refuses what comes late."""

    def __init__(self, file: Path, *, when_cut: Callable[[Grant], None]) -> None:
        self._file = file
        self._when_cut = when_cut
        self._grants: dict[str, Grant] = {}
        self._epochs: dict[str, int] = {}
        if file.exists():
            kept = json.loads(file.read_text())
            self._epochs = dict(kept["epochs"])
            self._grants = {entry["lease_id"]: _grant(entry) for entry in kept["grants"]}
        self._by_fingerprint = {grant.fingerprint: grant for grant in self._grants.values()}

    def all(self) -> tuple[Grant, ...]:
        """Return every grant."""
        return tuple(self._grants.values())

    def of_lease(self, lease_id: str) -> Grant | None:
        """Return the lease's grant, or None."""
        return self._grants.get(lease_id)

    def of_fingerprint(self, fingerprint: str) -> Grant | None:
        """Return the grant whose holder has this key, or None."""
        return self._by_fingerprint.get(fingerprint)

    def put(self, grant: Grant) -> None:
        """Keep a grant; those of earlier epochs on the same switch end with that.

        Raises `Refused` when the switch has been handed on since.
        """
        switch = grant.upstream.switch
        highest = self._epochs.get(switch, -1)
        if grant.epoch < highest:
            raise Refused(f"The switch {switch} has seen epoch {highest}; this order carries {grant.epoch}.")
        self._epochs[switch] = grant.epoch
        for other in self.all():
            if other.upstream.switch == switch and other.lease_id != grant.lease_id:
                self._drop(other)
        self._set(grant)
        self._save()

    def open(self, lease_id: str, epoch: int, *, ends_at: float) -> Grant:
        """Let the holder in, from the start that the grant names."""
        return self._change(lease_id, epoch, is_open=True, ends_at=ends_at)

    def close(self, lease_id: str, epoch: int) -> Grant | None:
        """Let nobody in, and cut who is in; a lease that is not known has nobody in it."""
        grant = self._grants.get(lease_id)
        if grant is None or grant.epoch > epoch:
            return None
        if grant.is_open:
            grant = self._change(lease_id, grant.epoch, is_open=False)
        self._when_cut(grant)
        return grant

    def forget(self, lease_id: str, epoch: int) -> None:
        """Drop the grant with its key."""
        grant = self._grants.get(lease_id)
        if grant is not None and grant.epoch <= epoch:
            self._drop(grant)
            self._save()

    def cut_what_is_over(self, now: float) -> float | None:
        """Close what has ended, hub or no hub; return when the next one ends."""
        for grant in self.all():
            if grant.is_open and grant.ends_at <= now:
                self.close(grant.lease_id, grant.epoch)
        return min((grant.ends_at for grant in self.all() if grant.is_open), default=None)

    def _change(self, lease_id: str, epoch: int, **changes: object) -> Grant:
        grant = self._grants.get(lease_id)
        if grant is None:
            raise Refused(f"There is no grant for the lease {lease_id}: prepare it first.")
        if grant.epoch != epoch:
            raise Refused(f"The grant of the lease {lease_id} is of epoch {grant.epoch}, not {epoch}.")
        changed: Grant = replace(grant, **changes)  # type: ignore[arg-type]
        self._set(changed)
        self._save()
        return changed

    def _set(self, grant: Grant) -> None:
        old = self._grants.get(grant.lease_id)
        if old is not None:
            self._by_fingerprint.pop(old.fingerprint, None)
        self._grants[grant.lease_id] = grant
        self._by_fingerprint[grant.fingerprint] = grant

    def _drop(self, grant: Grant) -> None:
        self._grants.pop(grant.lease_id, None)
        self._by_fingerprint.pop(grant.fingerprint, None)
        self._when_cut(grant)

    def _save(self) -> None:
        kept = {"epochs": self._epochs, "grants": [asdict(grant) for grant in self._grants.values()]}
        draft = self._file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(kept))
        draft.replace(self._file)


def _grant(entry: dict[str, object]) -> Grant:
    values = dict(entry)
    upstream = values.pop("upstream")
    assert isinstance(upstream, dict)  # noqa: S101  # we wrote it
    for name in ("programs", "ports"):
        values[name] = tuple(values[name])  # type: ignore[arg-type]
    return Grant(upstream=Upstream(**upstream), **values)  # type: ignore[arg-type]
