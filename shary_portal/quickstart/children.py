"""Starting processes that end with us, and, when we are root, as somebody who is not."""

import ctypes
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil  # type: ignore[import-untyped]

# Linux' own numbers (prctl(2), capabilities(7)); Python has no names for them.
_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class CannotStart(Exception):
    """A part of the quickstart does not come up; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The system user a server runs as."""

    uid: int
    gid: int
    # Root's folders (/root itself is closed to all others) stay as they are: the server may
    # pass through them and read, nothing more.
    reads_everywhere: bool = False


def server_identity(*paths: Path) -> Identity | None:
    """Return whom to run a server as that refuses to be root; None means: as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("nobody", "daemon"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        closed = not all(_is_open_to_others(path) for path in paths)
        return Identity(uid=entry.pw_uid, gid=entry.pw_gid, reads_everywhere=closed)
    raise CannotStart(
        "PostgreSQL refuses to run as root, and this machine has no user “nobody” to run it as. "
        "Start as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own."
    )


def start_child(
    command: Sequence[str | Path],
    *,
    run_as: Identity | None = None,
    ends_with_us: signal.Signals | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    output: IO[Any] | int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own.

    `ends_with_us` is the signal it gets from the system when the thread that called us ends,
    however that comes about: call from the main thread. Only Linux can do that.
    """
    return subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output != subprocess.DEVNULL else subprocess.DEVNULL,
        env=None if env is None else dict(env),
        cwd=cwd,
        start_new_session=True,
        preexec_fn=child_setup(run_as=run_as, ends_with_us=ends_with_us),
    )


def child_setup(
    *,
    run_as: Identity | None = None,
    ends_with_us: signal.Signals | None = None,
    parent: int | None = None,
) -> Callable[[], None]:
    """Return what a child does between fork and exec. “Us” is the parent, this process unless named."""
    parent = os.getpid() if parent is None else parent

    def prepare() -> None:
        if run_as is not None:
            _become(run_as)
        # After the change of user, which makes the system forget it.
        if ends_with_us is not None and _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(ends_with_us), 0, 0, 0)
            if os.getppid() != parent:  # died before the line above
                os._exit(1)

    return prepare


def is_running(pid: int, *, command_has: str = "") -> bool:
    """Tell whether a process lives whose command line has the given text."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return command_has in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def end_process(pid: int, *, polite: signal.Signals, timeout_s: float) -> None:
    """End a process: politely, and after the time given by force. Returns when it is gone."""
    try:
        process = psutil.Process(pid)
        process.send_signal(polite)
        try:
            process.wait(timeout_s)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(5)
    except psutil.NoSuchProcess:
        return


def _is_open_to_others(path: Path) -> bool:
    """Tell whether anybody can pass through the folders above a path."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents if parent.exists())


def _become(identity: Identity) -> None:
    keep = identity.reads_everywhere and _LIBC is not None
    if keep:
        assert _LIBC is not None  # noqa: S101
        _LIBC.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
        # initdb asks access(2) whether it can run its own programs, which looks at capabilities only so.
        _LIBC.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)
    if keep:
        assert _LIBC is not None  # noqa: S101
        bit = 1 << _CAP_DAC_READ_SEARCH
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        # Two words of (effective, permitted, inheritable).
        wanted = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
        if _LIBC.capset(header, wanted) != 0:
            # Better not to start than to start with all that root may.
            raise OSError(ctypes.get_errno(), "the capabilities could not be given up")
        _LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_READ_SEARCH, 0, 0)
