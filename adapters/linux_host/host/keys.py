"""Keys where sshd looks for them, in files of root's, each with the moment after which sshd refuses it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

_LINE = re.compile(r'expiry-time="([0-9]{14})" (\S.*)')


@dataclass(frozen=True)
class Way:
    """How somebody gets in: with one of these keys, until then."""

    keys: tuple[str, ...]
    until: datetime


def read_way(file: Path) -> Way | None:
    """Return what the file says; None when there is none.

    What is not as we write it is shown as open to nobody known, until 1970.
    """
    if not os.path.lexists(file):
        return None
    lines = file.read_text(errors="replace").splitlines()
    found = re.fullmatch(r"# SHARY until (\S+)", lines[0]) if lines else None
    keys = [match[2] for match in map(_LINE.fullmatch, lines[1:]) if match]
    if found is None or len(keys) != len(lines) - 1:
        return Way(keys=(), until=datetime.fromtimestamp(0, timezone.utc))
    return Way(keys=tuple(keys), until=datetime.fromisoformat(found[1]))


def write_way(file: Path, way: Way) -> None:
    """Write the keys all at once."""
    # sshd reads this time in the machine's own time zone. It lets nobody in after it, though we be dead.
    ends = way.until.astimezone().strftime("%Y%m%d%H%M%S")
    lines = [f"# SHARY until {way.until.isoformat()}"]
    lines += [f'expiry-time="{ends}" {key}' for key in way.keys]
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(handle, "w") as opened:
        os.fchmod(opened.fileno(), 0o644)
        opened.write("".join(f"{line}\n" for line in lines))
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)
