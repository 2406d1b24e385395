"""Tells children of leases that are about to start, so that at the start a cue is enough.

A brief claims nothing and promises nothing: an order that comes in between finds the lease as free
as ever, and the claim that is taken at the start decides what is done, and with which order.
"""

import itertools
import json
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from site_worker.child import Call, Child
from site_worker.claims import Claim
from site_worker.journal import Journal

_AHEAD_S = 5.0
_NOT_AFTER_S = 0.3
"""What is so close is left alone: nobody is to be busy with briefs at the start."""
_LOOK_EVERY_S = 0.5
_KEPT_S = 60.0
_PER_CALL = 250
_BODY_CHARS = 1 << 16
_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What a child was told of one lease."""

    cue: int
    lease_id: str
    revision: int
    due_at: float
    body: str
    child: Child


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The briefs in one call."""

    briefs: tuple[Brief, ...]


class Briefing:
    """Who was told of what."""

    def __init__(self, journal: Journal, deadline_of: Callable[[str, str], float]) -> None:
        self._journal = journal
        self._deadline_of = deadline_of
        self._numbers = itertools.count(1)
        self._tried: dict[str, Brief] = {}
        self._known: dict[str, Brief] = {}
        self._next_look = 0.0

    @property
    def crew(self) -> list[Child]:
        """The children that were told of anything."""
        return list(dict.fromkeys(brief.child for brief in self._tried.values()))

    @property
    def waiting(self) -> int:
        """How many leases are known to some child."""
        return len(self._known)

    def calls(
        self, children: Sequence[Child], *, now: float, full: Collection[str]
    ) -> list[tuple[Child, Call]]:
        """Return what to tell these children now, dealt out in the order in which it will be due."""
        if not children or time.monotonic() < self._next_look:
            return []
        self._next_look = time.monotonic() + _LOOK_EVERY_S
        self._forget(now)
        rows = (
            self._journal.db()
            .execute(
                "SELECT lease_id, revision, adapter FROM lease WHERE verb = 'admit' AND token IS NULL"
                " AND due_at > ? AND due_at <= ? ORDER BY due_at, lease_id",
                (now + _NOT_AFTER_S, now + _AHEAD_S),
            )
            .fetchall()
        )
        fresh = [row for row in rows if row["adapter"] not in full and not self._was_told(*row[:2])]
        if not fresh:
            return []
        adapter = fresh[0]["adapter"]
        mine = [row["lease_id"] for row in fresh if row["adapter"] == adapter][: _PER_CALL * len(children)]
        if len(mine) < len(fresh):
            self._next_look = 0.0
        dealt: dict[int, list[Brief]] = {}
        rows = (
            self._journal.db()
            .execute(
                "SELECT lease_id, revision, due_at, body FROM lease JOIN lease_order USING (lease_id)"
                " WHERE lease_id IN (SELECT value FROM json_each(?)) ORDER BY due_at, lease_id",
                (json.dumps(mine),),
            )
            .fetchall()
        )
        for place, row in enumerate(rows):
            brief = Brief(
                cue=next(self._numbers),
                lease_id=row["lease_id"],
                revision=row["revision"],
                due_at=row["due_at"],
                body=row["body"],
                child=children[place % len(children)],
            )
            self._tried[brief.lease_id] = brief
            self._known.pop(brief.lease_id, None)
            if len(brief.body) <= _BODY_CHARS:
                dealt.setdefault(place % len(children), []).append(brief)
        return [(children[place], self._call(adapter, briefs)) for place, briefs in dealt.items()]

    def learned(self, told: Told, understood: Collection[int]) -> None:
        """Note which briefs a child has understood."""
        for brief in told.briefs:
            if brief.cue in understood and self._tried.get(brief.lease_id) == brief:
                self._known[brief.lease_id] = brief

    def take(self, claim: Claim, children: Collection[Child]) -> Brief | None:
        """Return the brief by which one of these children can be cued to do just what was claimed."""
        brief = self._known.pop(claim.lease_id, None)
        if brief is None or claim.verb != "admit" or brief.body != claim.body or brief.child not in children:
            return None
        return brief

    def _was_told(self, lease_id: str, revision: int) -> bool:
        brief = self._tried.get(lease_id)
        return brief is not None and brief.revision == revision

    def _forget(self, now: float) -> None:
        for briefs in (self._tried, self._known):
            for lease_id in [key for key, brief in briefs.items() if brief.due_at < now - _KEPT_S]:
                del briefs[lease_id]

    def _call(self, adapter: str, briefs: Sequence[Brief]) -> Call:
        deadline_s = self._deadline_of(adapter, "admit")
        body = [[brief.cue, adapter, brief.due_at, deadline_s, brief.body] for brief in briefs]
        return Call(
            adapter=adapter,
            verb="brief",
            body=json.dumps(body),
            deadline_s=_DEADLINE_S,
            urgent=False,
            subject=Told(briefs=tuple(briefs)),
        )
