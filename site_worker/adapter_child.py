"""The process in which adapters run: one call at a time, killed at the verb's deadline.

Started as `python -m site_worker.adapter_child SOCKET PARENT` by `site_worker.children`. Whatever
an adapter does to it (leave, crash, hang, print, eat memory) harms one call and nothing else.
"""

import ctypes
import os
import resource
import signal
import socket
import sys
import time
import traceback
from typing import Any

from adapters.contract import Adapter, LeaseOrder, Target
from adapters.contract.wire import from_json, to_json
from adapters.errors import BY_NAME, AdapterError
from site_worker.catalogue import adapter_class
from site_worker.channel import Unpacker, pack
from site_worker.config import SiteSecrets

_PR_SET_PDEATHSIG = 1
_OVERTIME_S = 2.0
"""The worker kills at the deadline; this is for when the worker cannot."""


class Calls:
    """Turns messages into calls of adapters and their outcomes into messages."""

    def __init__(self, hello: dict[str, Any]) -> None:
        self._secrets = SiteSecrets(values=hello["values"], files=hello["files"])
        self._extra: dict[str, str] = hello["extra_adapters"]
        self._adapters: dict[str, Adapter] = {}

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        """Make one call and return what came of it."""
        try:
            value = self._make(call["adapter"], call["verb"], call["body"])
        except AdapterError as error:
            return {"at": time.time(), "error": _name_of(error), "message": str(error)}
        except BaseException as error:  # sys.exit in a library is no way to leave
            message = f"{type(error).__name__}: {error}"
            return {"at": time.time(), "bug": traceback.format_exc(), "message": message}
        return {"at": time.time(), "value": value}

    def _make(self, name: str, verb: str, body: str) -> str:
        adapter = self._adapters.get(name)
        if adapter is None:
            adapter = self._adapters[name] = adapter_class(name, self._extra)(secrets=self._secrets)
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
        return ""


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


def main() -> None:
    """Serve calls until the worker closes the channel."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    _die_with(int(sys.argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    unpacker = Unpacker()
    calls: Calls | None = None
    while piece := channel.recv(1 << 18):
        for message in unpacker.feed(piece):
            if calls is None:
                _limit_memory(message["memory_mib"])
                sys.path.extend(place for place in message["path"] if place not in sys.path)
                calls = Calls(message)
                channel.sendall(pack({"ready": os.getpid()}))
                continue
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, message["deadline_s"] + _OVERTIME_S)
            answer = calls.answer(message)
            signal.setitimer(signal.ITIMER_REAL, 0)
            channel.sendall(pack(answer))
            if "bug" in answer:
                # A library that meant to leave may have left things half undone: start afresh.
                sys.stdout.flush()
                os._exit(0)


if __name__ == "__main__":
    main()
