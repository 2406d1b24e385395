"""Asks a program on the node itself whether the cards are clean."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

from adapters.contract import Check
from adapters.gpu_slurm.settings import SlurmSettings

_LONGEST_ANSWER = 200_000


def probe_checks(settings: SlurmSettings, node: str) -> Iterator[Check]:
    """Yield what the probe found; a failed check where it did not answer as it should."""
    command = [word.replace("{node}", node) for word in settings.node_probe]
    method = f"{command[0]} on {node}"
    try:
        checks = _read(_run(command, settings.settle_s))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        yield Check(
            name=f"probe of {node}",
            expected="an answer",
            found=" ".join(str(error).split())[:300],
            passed=False,
            method=method,
        )
        return
    for check in checks:
        yield Check(
            name=f"{node}: {check['name']}",
            expected=str(check.get("expected", "")),
            found=str(check.get("found", "")),
            passed=check.get("passed") is True,
            method=f"{check.get('method') or 'probe'}, by {method}",
        )


def _run(command: list[str], patience_s: float) -> str:
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if not out.strip():
        raise ValueError(f"It printed nothing (exit status {process.returncode}): {err.strip()[-200:]}")
    return out


def _read(out: str) -> list[dict[str, Any]]:
    checks = json.loads(out[:_LONGEST_ANSWER])
    if not isinstance(checks, list) or not checks:
        raise ValueError("It printed no list of checks.")
    if not all(isinstance(check, dict) and check.get("name") for check in checks):
        raise ValueError("It printed a check without a name.")
    return checks
