"""Runs the system's own tools, with a deadline and without anything of the caller's environment."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from adapters.linux_host.host.problems import Unknown

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(command: Sequence[str], *, timeout_s: float = 30.0, may_fail: bool = False) -> str:
    """Return what a command prints; raise `Unknown` when it fails, hangs or is missing."""
    name = command[0]
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            env={"PATH": _PATH, "LC_ALL": "C"},
            cwd="/",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unknown(f"“{name}” did not end within {timeout_s:.0f} s.") from error
    except OSError as error:
        raise Unknown(f"“{name}” cannot be run: {error}.") from error
    if done.returncode != 0 and not may_fail:
        words = (done.stderr or done.stdout).decode(errors="replace").strip()[:300]
        raise Unknown(f"“{name}” ended with {done.returncode}: {words}")
    return done.stdout.decode(errors="replace")
