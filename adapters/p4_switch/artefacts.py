"""Looks at a holder's P4Info and device configuration before they are accepted.

The files come from strangers, and a bad one can wedge a switch until somebody restarts it. They are
taken apart in a process of its own, with little memory and little time, that loads nothing of ours
(`adapters.p4_switch.inspection`). The portal calls this on upload, the site again before the push.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from adapters.contract import Artefact, Json, Problem

WALL_CLOCK_LIMIT_S = 15.0
"""The inspector's own limits end it much earlier; this one is for a machine under load."""
_INSPECTOR = Path(__file__).with_name("inspection.py")
_NAMES = ("p4info", "device_config")


def check_artefacts(parameters: Json, artefacts: Sequence[Artefact]) -> tuple[Problem, ...]:
    """Return what is wrong with the files, an entry per problem; empty when they fit together."""
    given = {artefact.name: artefact.content for artefact in artefacts}
    lines, finished = _inspect([given.get(name, b"") for name in _NAMES], "check")
    return _verdict(lines, finished=finished)


def describe_artefact(artefact: Artefact) -> Json:
    """Return the tables and actions of a P4Info; nothing of other files, or of one that cannot be read."""
    if artefact.name != "p4info":
        return {}
    lines, finished = _inspect([artefact.content, b""], "describe")
    return dict(json.loads(lines[-1])) if finished and lines else {}


def _inspect(contents: Sequence[bytes], what: str) -> tuple[list[str], bool]:
    message = b"".join(len(content).to_bytes(8, "big") + content for content in contents)
    with subprocess.Popen(
        # Isolated: neither the environment nor the working directory decides what is loaded.
        [sys.executable, "-I", str(_INSPECTOR), what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={},
    ) as process:
        try:
            output, _ = process.communicate(message, timeout=WALL_CLOCK_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
    return output.decode(errors="replace").splitlines(), process.returncode == 0


def _verdict(lines: Sequence[str], *, finished: bool) -> tuple[Problem, ...]:
    """The inspector names each file before it opens it, and ends with the list of problems."""
    if finished and lines:
        return tuple(Problem(field=field, message=message) for field, message in json.loads(lines[-1]))
    field = next((line for line in reversed(lines) if line in _NAMES), _NAMES[0])
    hint = "in binary form" if field == "p4info" else "as p4c wrote it"
    return (
        Problem(
            field=field,
            message="The file could not be read with the time and memory that one file may take: it is "
            f"too large, too deeply nested, or damaged. Compile the program again and give it {hint}.",
        ),
    )
