"""Live updates of the board: tells every board that is open when something on the calendar has changed.

One question a second for all boards of a process. The database counts the changes in a sequence (see the
migration “calendar changes”), which nobody has to wait for. A sequence is seen before the transaction that
drew from it is over; so whoever was told of a change is told again once all transactions that were open then are over.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterator
from weakref import WeakKeyDictionary

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections

from reservations.live import HEARTBEAT_EVERY_S, LOOK_EVERY_S
from reservations.selectors.calendar import CalendarMark, calendar_mark

log = structlog.get_logger(__name__)

Inbox = asyncio.Queue[int]


class CalendarWatch:
    """Looks whether the calendar changed while somebody has a board open, and tells all of them."""

    def __init__(self, *, look_every_s: float = LOOK_EVERY_S) -> None:
        self.look_every_s = look_every_s
        self.looks = 0
        self._inboxes: set[Inbox] = set()
        self._told: CalendarMark | None = None
        self._unsettled = False
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> Inbox:
        """Begin to watch; the inbox gets a number whenever there may be something new."""
        inbox: Inbox = asyncio.Queue()
        self._inboxes.add(inbox)
        if self._task is None or self._task.done():
            self._told = None
            # Not in the context of the request: its thread is gone when it is answered.
            self._task = asyncio.get_running_loop().create_task(self._look(), context=contextvars.Context())
        return inbox

    def end(self, inbox: Inbox) -> None:
        """Watch no longer; whoever leaves last stops the looking."""
        self._inboxes.discard(inbox)

    async def _look(self) -> None:
        while self._inboxes:
            try:
                self._compare(await sync_to_async(_mark)())
            except DatabaseError as error:
                # The boards keep what they show; the next look may find the database again.
                log.warning("live.no_answer", error=str(error))
            await asyncio.sleep(self.look_every_s)

    def _compare(self, mark: CalendarMark) -> None:
        self.looks += 1
        told = self._told
        if told is None or mark.changes != told.changes:
            self._told, self._unsettled = mark, mark.oldest_open < mark.newest
            if told is None:
                return
        elif self._unsettled and mark.oldest_open >= told.newest:
            self._unsettled = False
        else:
            return
        for inbox in self._inboxes:
            inbox.put_nowait(mark.changes)


def _mark() -> CalendarMark:
    close_old_connections()
    return calendar_mark()


# Tasks belong to a loop; a server has one, tests have one each.
_watches: "WeakKeyDictionary[asyncio.AbstractEventLoop, CalendarWatch]" = WeakKeyDictionary()


def watch() -> CalendarWatch:
    """Return the watch of this process."""
    return _watches.setdefault(asyncio.get_running_loop(), CalendarWatch())


async def calendar_changes(*, heartbeat_every_s: float = HEARTBEAT_EVERY_S) -> AsyncIterator[str]:
    """Yield server-sent events: one at once, one for each change, and a sign of life between."""
    watching = watch()
    inbox = watching.begin()
    try:
        yield "retry: 5000\nevent: change\ndata: {}\n\n"
        while True:
            try:
                await asyncio.wait_for(inbox.get(), heartbeat_every_s)
            except TimeoutError:
                yield "event: alive\ndata: {}\n\n"
            else:
                yield "event: change\ndata: {}\n\n"
    finally:
        watching.end(inbox)
