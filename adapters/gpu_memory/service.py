"""Wipes and searches a card's memory from outside, with a hard deadline."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import adapters
from adapters.contract import Check
from adapters.gpu_memory.report import SearchReport, WipeReport, checks_of, wipe_report_of

BUDGET_S = 120.0
GRACE_S = 10.0
"""How long a process may take beyond its time before it is killed."""
_LAST_WAIT_S = 5.0


def wipe(device: str, *, budget_s: float = BUDGET_S, leave_mib: int | None = None) -> tuple[Check, ...]:
    """Overwrite all memory of a card or slice that CUDA reaches, and return what was proven.

    More than `leave_mib` out of reach is not clean; None: the usual for the size of the card.
    `device` is a UUID (`GPU-…`, `MIG-…`) or a PCI address. Nobody else may be using it. Returns within the budget
    and a few seconds, never raises for the card: what could not be done has not passed.
    """
    return checks_of(device, wipe_report(device, budget_s=budget_s), leave_mib=leave_mib)


def wipe_report(device: str, *, budget_s: float = BUDGET_S) -> WipeReport:
    """Do the same and return how far it came, with the speed reached."""
    wish = {"verb": "wipe", "salt": secrets.randbits(32)}
    said, ending = _run(device, wish, budget_s)
    report = wipe_report_of(said)
    if not ending:
        return report
    return replace(report, trouble=report.trouble or ending)


def search(device: str, mark: bytes, *, budget_s: float = BUDGET_S) -> SearchReport:
    """Count a mark of 16 bytes in all memory of a card or slice that CUDA reaches; leave it as it is."""
    if len(mark) != 16:
        raise ValueError("A mark has 16 bytes.")
    said, ending = _run(device, {"verb": "search", "mark": mark.hex()}, budget_s)
    report = SearchReport(**said)
    return replace(report, trouble=report.trouble or ending)


def _run(device: str, wish: Mapping[str, Any], budget_s: float) -> tuple[dict[str, Any], str]:
    """Return the last report of a child process, and why there is none after it; empty when it ended well."""
    line = json.dumps({**wish, "device": device, "budget_s": budget_s, "parent": os.getpid()})
    child = subprocess.Popen(
        _command(),
        env=_environment(device),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    ending = ""
    try:
        output, errors = child.communicate(line + "\n", timeout=budget_s + GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        ending = f"The driver hung: no end within {budget_s + GRACE_S:g} s. The process was killed."
        try:
            output, errors = child.communicate(timeout=_LAST_WAIT_S)
        except subprocess.TimeoutExpired as stuck:
            output, errors = _text(stuck.stdout), ""
            ending = (
                f"The driver hung: no end within {budget_s + GRACE_S:g} s, and process {child.pid} cannot be killed. "
                "Restart the host."
            )
    reports = [json.loads(line) for line in output.splitlines() if line.endswith("}")]
    if not ending and (child.returncode != 0 or not reports):
        last = errors.strip().splitlines()
        ending = f"The process for the card failed with {child.returncode}: {last[-1] if last else 'no word'}."
    return (reports[-1] if reports else {}), ending


def _text(output: str | bytes | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def _environment(device: str) -> dict[str, str]:
    """Return the surroundings in which CUDA shows the device, and only it."""
    ours = {**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    ours.pop("CUDA_VISIBLE_DEVICES", None)
    if device.startswith(("GPU-", "MIG-")):
        ours["CUDA_VISIBLE_DEVICES"] = device
    return ours


def _command() -> list[str]:
    """Return how the child is started: with the Python, the isolation and the packages of this process."""
    # Where this package came from, be it a folder or an archive.
    root = str(Path(adapters.__file__ or "").parent.parent)
    begin = f"import sys; sys.path.insert(0, {root!r}); from adapters.gpu_memory.child import main; main()"
    isolation = ["-I"] * sys.flags.isolated + ["-S"] * sys.flags.no_site
    return [sys.executable, *isolation, "-c", begin]
