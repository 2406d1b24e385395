"""The process in which adapters run: one call at a time, killed at the verb's deadline.

Started as `python -m site_worker.adapter_child SOCKET CUES PARENT` by `site_worker.child`. Whatever
an adapter does to it (leave, crash, hang, print, eat memory) harms one call and nothing else.
"""

import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from adapters.contract import Adapter, LeaseOrder, Target
from adapters.contract.wire import Order, from_json, to_json
from adapters.errors import BY_NAME, AdapterError
from site_worker.catalogue import adapter_class
from site_worker.channel import CUE, Unpacker, pack
from site_worker.config import SiteSecrets

_PR_SET_PDEATHSIG = 1
_OVERTIME_S = 2.0
"""The worker kills at the deadline; this is for when the worker cannot."""
_BRIEF_KEPT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """A lease that is about to start, ready to be opened."""

    adapter: Adapter
    order: LeaseOrder
    due_at: float
    deadline_s: float


class Calls:
    """Turns messages into calls of adapters and their outcomes into messages."""

    def __init__(self, hello: dict[str, Any]) -> None:
        self._secrets = SiteSecrets(values=hello["values"], files=hello["files"])
        self._extra: dict[str, str] = hello["extra_adapters"]
        self._adapters: dict[str, Adapter] = {}
        self._briefs: dict[int, Brief] = {}

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        """Make one call and return what came of it."""
        if call["verb"] == "brief":
            return _outcome(lambda: self._take_briefs(call["body"]))
        return _outcome(lambda: self._make(call["adapter"], call["verb"], call["body"]))

    def deadline_of(self, cue: int) -> float:
        """Return how long the cued call may take."""
        return self._briefs[cue].deadline_s if cue in self._briefs else 1.0

    def answer_cue(self, cue: int, begin_before: float) -> dict[str, Any]:
        """Open access for the lease of that brief; only the device is left to be talked to."""
        brief = self._briefs.pop(cue, None)
        began = time.monotonic()
        if brief is None or began > begin_before or time.time() < brief.due_at:
            return {"cue": cue, "unbegun": True}
        answer = _outcome(lambda: _admit(brief))
        return {"cue": cue, "took_s": time.monotonic() - began, **answer}

    def _take_briefs(self, body: str) -> str:
        past = time.time() - _BRIEF_KEPT_S
        self._briefs = {cue: brief for cue, brief in self._briefs.items() if brief.due_at > past}
        understood = []
        for cue, name, due_at, deadline_s, order in json.loads(body):
            # What cannot be understood is not opened by a cue; the call itself will say why.
            with suppress(Exception):
                self._briefs[cue] = Brief(
                    adapter=self._adapter(name),
                    order=from_json(LeaseOrder, order),
                    due_at=due_at,
                    deadline_s=deadline_s,
                )
                understood.append(cue)
        return json.dumps(understood)

    def _adapter(self, name: str) -> Adapter:
        adapter = self._adapters.get(name)
        if adapter is None:
            adapter = self._adapters[name] = adapter_class(name, self._extra)(secrets=self._secrets)
        return adapter

    def _make(self, name: str, verb: str, body: str) -> str:
        adapter = self._adapter(name)
        match verb:
            case "provision":
                return to_json(adapter.provision(from_json(LeaseOrder, body)))
            case "admit":
                adapter.admit(from_json(LeaseOrder, body))
            case "isolate":
                adapter.isolate(from_json(LeaseOrder, body))
            case "release":
                return to_json(adapter.release(from_json(LeaseOrder, body)))
            case "observe-lease":
                return to_json(adapter.observe(from_json(LeaseOrder, body).target))
            case "observe":
                return to_json(adapter.observe(from_json(Target, body)))
            case "discover":
                return to_json(adapter.discover(from_json(Target, body)))
            case "reshape":
                asked = json.loads(body)
                target = from_json(Target, json.dumps(asked["target"]))
                return to_json(adapter.reshape(target, tuple(asked["geometry"])))
            case "rehearse":
                lease = from_json(Order, body).lease
                return to_json(adapter.rehearse(lease)) if lease is not None else ""
            case "build":
                order = from_json(Order, body)
                return to_json(replace(order, files=adapter.build(order.targets[0], order.files)))
        return ""


def _admit(brief: Brief) -> str:
    brief.adapter.admit(brief.order)
    return ""


def _outcome(make: Callable[[], str]) -> dict[str, Any]:
    try:
        value = make()
    except AdapterError as error:
        return {"at": time.time(), "error": _name_of(error), "message": str(error)}
    except BaseException as error:  # sys.exit in a library is no way to leave
        message = f"{type(error).__name__}: {error}"
        return {"at": time.time(), "bug": traceback.format_exc(), "message": message}
    return {"at": time.time(), "value": value}


def _name_of(error: AdapterError) -> str:
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in BY_NAME)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _limit_memory(memory_mib: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = memory_mib * 1024 * 1024
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Server:
    """Reads calls from the channel and cues from the pipe, and answers each before the next."""

    def __init__(self, channel: socket.socket, cues: int) -> None:
        self._channel = channel
        self._cues = cues
        self._unpacker = Unpacker()
        self._calls: Calls | None = None

    def serve(self) -> None:
        """Go on until the worker closes the channel."""
        while True:
            readable, _, _ = select.select([self._channel.fileno(), self._cues], [], [])
            if self._channel.fileno() in readable:
                piece = self._channel.recv(1 << 18)
                if not piece:
                    return
                for message in self._unpacker.feed(piece):
                    self._take(message)
            elif self._calls is not None:
                # The worker may have taken the cue back since.
                with suppress(BlockingIOError):
                    cue, begin_before = CUE.unpack(os.read(self._cues, CUE.size))
                    make = partial(Calls.answer_cue, cue=cue, begin_before=begin_before)
                    self._run(make, self._calls.deadline_of(cue))

    def _take(self, message: dict[str, Any]) -> None:
        if self._calls is None:
            _limit_memory(message["memory_mib"])
            sys.path.extend(place for place in message["path"] if place not in sys.path)
            self._calls = Calls(message)
            self._channel.sendall(pack({"ready": os.getpid()}))
        else:
            self._run(partial(Calls.answer, call=message), message["deadline_s"])

    def _run(self, make: Callable[[Calls], dict[str, Any]], deadline_s: float) -> None:
        assert self._calls is not None  # noqa: S101  # nothing is asked before the hello
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, deadline_s + _OVERTIME_S)
        answer = make(self._calls)
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._channel.sendall(pack(answer))
        if "bug" in answer:
            # A library that meant to leave may have left things half undone: start afresh.
            sys.stdout.flush()
            os._exit(0)


def main() -> None:
    """Serve calls until the worker closes the channel."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    _die_with(int(sys.argv[3]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Server(channel, int(sys.argv[2])).serve()


if __name__ == "__main__":
    main()
