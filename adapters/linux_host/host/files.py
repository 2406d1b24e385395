"""Files that a user id leaves behind in folders that others share."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from adapters.linux_host.host.commands import run
from adapters.linux_host.host.problems import Unknown

_ENOUGH = 20


def remove_files(uid: int, roots: Sequence[str]) -> None:
    """Remove what belongs to the id below the roots, and what lies in folders of the id."""
    for root in roots:
        if os.path.isdir(root) and not os.path.islink(root):  # noqa: PTH112, PTH114 - one look each, no following
            mine = ["find", root, "-xdev", "-mindepth", "1", "-uid", str(uid)]
            # First what empties by itself; then folders with files of others in them. find goes down by
            # handles and starts rm in the folder itself: nobody can lead it elsewhere by a swapped link.
            # It complains of what goes away by itself meanwhile: whether all is gone, the proof says.
            run([*mine, "-delete"], timeout_s=120, may_fail=True)
            rest = [*mine, "-prune", "-execdir", "rm", "-rf", "--one-file-system", "--", "{}", ";"]
            run(rest, timeout_s=120, may_fail=True)


def files_of(uid: int, roots: Sequence[str], *, within_s: float) -> list[str]:
    """Return files of the id below the roots, up to a few; raise `Unknown` when that takes too long.

    Looks with eyes of its own, not with the tool that removes.
    """
    deadline = time.monotonic() + within_s
    found: list[str] = []
    for root in roots:
        try:
            device = os.lstat(root).st_dev
        except OSError:
            continue
        folders = [root]
        while folders and len(found) < _ENOUGH:
            if time.monotonic() > deadline:
                raise Unknown(f"Looking through {root} took more than {within_s:.0f} s.")
            try:
                with os.scandir(folders.pop()) as entries:
                    listed = list(entries)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                # Gone meanwhile, or the private mount of somebody who runs.
                continue
            except OSError as error:
                raise Unknown(f"{root} cannot be looked through: {error}.") from error
            for entry in listed:
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                if uid in (status.st_uid, status.st_gid):
                    found.append(entry.path)
                if entry.is_dir(follow_symlinks=False) and status.st_dev == device:
                    folders.append(entry.path)
    return found
