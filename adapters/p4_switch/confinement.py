"""The process that becomes the compiler. Run by `adapters.p4_switch.building`, never imported.

Arguments: the folder it may write to, then the command. It limits itself, gives up root, and becomes the
command. It loads nothing but the standard library.
"""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

CPU_LIMIT_S = 60
MEMORY_LIMIT_BYTES = 2 * 1024 * 1024 * 1024
FILE_LIMIT_BYTES = 64 * 1024 * 1024
PROCESS_LIMIT = 64
_FIRST_USER = 0x60000000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWNET = 0x40000000


def main() -> None:
    """Become the command, with little to spend."""
    folder, command = sys.argv[1], sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    # Root can leave the network behind by itself; who is not root may be allowed to, and goes on without.
    libc.unshare(_CLONE_NEWNET)
    if os.getuid() == 0:
        # A user that nothing else runs as: a limit on processes counts all of a user's, other runs' too.
        user = _FIRST_USER + os.getpid()
        for place in (Path(folder), *Path(folder).iterdir()):
            os.chown(place, user, user, follow_symlinks=False)
        resource.setrlimit(resource.RLIMIT_NPROC, (PROCESS_LIMIT, PROCESS_LIMIT))
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.chdir(folder)
    for what, limit in (
        (resource.RLIMIT_CPU, CPU_LIMIT_S),
        (resource.RLIMIT_AS, MEMORY_LIMIT_BYTES),
        (resource.RLIMIT_FSIZE, FILE_LIMIT_BYTES),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    around = {"PATH": os.environ["PATH"], "TMPDIR": folder, "LC_ALL": "C.UTF-8"}
    os.execve(command[0], command, around)  # noqa: S606  # it was found by the worker, not by the holder


if __name__ == "__main__":
    main()
