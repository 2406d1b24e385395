"""The process that has the card: reads what to do from its input, writes how far it came to its output.

A process of its own, because CUDA shows a MIG slice only to a process that was started for it, because it can
hang beyond all deadlines, and because what a dead process had of a card is free again.
"""

import ctypes
import json
import os
import signal
import sys
from dataclasses import asdict
from typing import Any

from adapters.gpu_memory.report import SearchReport, WipeReport
from adapters.gpu_memory.work import search, wipe

_PR_SET_PDEATHSIG = 1
_GRACE_S = 30


def main() -> None:
    """Do what the one line of input says; each line of output is the report so far."""
    wish = json.loads(sys.stdin.readline())
    _die_with_parent(int(wish["parent"]))
    signal.alarm(int(wish["budget_s"]) + _GRACE_S)
    # Libraries may print; the reports have the output for themselves.
    with os.fdopen(os.dup(1), "w", buffering=1) as output:
        os.dup2(2, 1)

        def tell(report: WipeReport | SearchReport) -> None:
            output.write(json.dumps(asdict(report)) + "\n")

        tell(_do(wish, tell))


def _do(wish: dict[str, Any], tell: Any) -> WipeReport | SearchReport:
    if wish["verb"] == "wipe":
        return wipe(wish["device"], budget_s=wish["budget_s"], salt=wish["salt"], tell=tell)
    return search(wish["device"], mark=bytes.fromhex(wish["mark"]), budget_s=wish["budget_s"])


def _die_with_parent(parent: int) -> None:
    """Let no process stay behind that has all memory of a card."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit("The process that wanted this is gone.")
