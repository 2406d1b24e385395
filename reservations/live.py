"""Live updates: tells pages when the reservation they show has changed.

One question a second for all pages of a process, not one for each page. The database counts the
changes (`Reservation.version`); nothing here has to be told of them, so nothing can be forgotten.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterator
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections

from reservations.selectors.reservations import versions_of

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
HEARTBEAT_EVERY_S = 15.0

Inbox = asyncio.Queue[int]


class Watch:
    """Looks at all reservations that somebody watches, and tells each page of changes."""

    def __init__(self, *, look_every_s: float = LOOK_EVERY_S) -> None:
        self.look_every_s = look_every_s
        self.looks = 0
        self._inboxes: dict[UUID, set[Inbox]] = {}
        self._versions: dict[UUID, int] = {}
        self._task: asyncio.Task[None] | None = None

    def begin(self, reservation_id: UUID, version: int) -> Inbox:
        """Begin to watch; the inbox gets each version after the given one."""
        inbox: Inbox = asyncio.Queue()
        self._inboxes.setdefault(reservation_id, set()).add(inbox)
        # The lowest wins: a page that came with an older version is told, others get it once more.
        known = self._versions.get(reservation_id, version)
        self._versions[reservation_id] = min(known, version)
        if self._task is None or self._task.done():
            # Not in the context of the request: its thread is gone when it is answered.
            self._task = asyncio.get_running_loop().create_task(self._look(), context=contextvars.Context())
        return inbox

    def end(self, reservation_id: UUID, inbox: Inbox) -> None:
        """Watch no longer; whoever leaves last stops the looking."""
        inboxes = self._inboxes.get(reservation_id, set())
        inboxes.discard(inbox)
        if not inboxes:
            self._inboxes.pop(reservation_id, None)
            self._versions.pop(reservation_id, None)

    async def _look(self) -> None:
        while self._inboxes:
            await asyncio.sleep(self.look_every_s)
            watched = list(self._inboxes)
            try:
                found = await sync_to_async(_versions)(watched)
            except DatabaseError as error:
                # The pages keep what they show; the next look may find the database again.
                log.warning("live.no_answer", error=str(error))
                continue
            self.looks += 1
            for reservation_id, version in found.items():
                if version != self._versions.get(reservation_id, version):
                    self._versions[reservation_id] = version
                    for inbox in self._inboxes.get(reservation_id, ()):
                        inbox.put_nowait(version)


def _versions(watched: list[UUID]) -> dict[UUID, int]:
    close_old_connections()
    return versions_of(watched)


# Tasks belong to a loop; a server has one, tests have one each.
_watches: "WeakKeyDictionary[asyncio.AbstractEventLoop, Watch]" = WeakKeyDictionary()


def watch() -> Watch:
    """Return the watch of this process."""
    return _watches.setdefault(asyncio.get_running_loop(), Watch())


async def changes_of(
    reservation_id: UUID, version: int, *, heartbeat_every_s: float = HEARTBEAT_EVERY_S
) -> AsyncIterator[str]:
    """Yield server-sent events: the version now, each one that follows, and a sign of life between."""
    watching = watch()
    inbox = watching.begin(reservation_id, version)
    try:
        yield f'retry: 3000\nevent: change\ndata: {{"version": {version}}}\n\n'
        while True:
            try:
                version = await asyncio.wait_for(inbox.get(), heartbeat_every_s)
            except TimeoutError:
                yield ": still here\n\n"
            else:
                yield f'event: change\ndata: {{"version": {version}}}\n\n'
    finally:
        watching.end(reservation_id, inbox)
