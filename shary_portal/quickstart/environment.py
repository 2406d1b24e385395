"""Makes the virtual environment and installs what is pinned; a second call does nothing.

Runs on a bare Python, so it imports nothing but the standard library:
`python3 shary_portal/quickstart/environment.py requirements.lock [more.lock …]`.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / ".venv"
PYTHON = FOLDER / "bin" / "python"
# Lies in the environment while it is being changed: what is found half made is made anew.
UNFINISHED = FOLDER / ".unfinished"


def main(names: Sequence[str]) -> int:
    """Bring the environment to what the lock files say; return the exit status."""
    if not (3, 11) <= sys.version_info < (3, 14):
        print(f"SHARY runs on Python 3.11 to 3.13, and this is {sys.version.split()[0]}.")
        print("Name another: make run PYTHON=python3.12")
        return 1
    missing = [name for name in names if not is_installed(ROOT / name)]
    if not missing and PYTHON.exists() and not UNFINISHED.exists():
        return 0
    (ROOT / ".cache").mkdir(exist_ok=True)
    with (ROOT / ".cache" / "venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once: the second waits, and finds all done
        try:
            return make([ROOT / name for name in names])
        except KeyboardInterrupt:
            print("Interrupted; the next start makes the environment anew.")
            return 130


def make(files: Sequence[Path]) -> int:
    """Make the environment where it is missing or half made, and install."""
    if UNFINISHED.exists() or not works():
        print("Making the virtual environment .venv …", flush=True)
        status = create()
        if status:
            return status
    for file in files:
        if is_installed(file):
            continue
        pinned = sum(1 for line in file.read_text().splitlines() if "==" in line)
        print(
            f"Installing {pinned} pinned packages of {file.name}; the first time takes a minute …", flush=True
        )
        UNFINISHED.touch()
        # The user's own pip configuration holds: index, proxy, certificates.
        done = subprocess.run(
            [
                *pip(),
                *("install", "-qq", "--no-input", "--disable-pip-version-check"),
                *("--require-hashes", "--requirement", str(file)),
            ],
            check=False,
        )
        if done.returncode:
            if done.returncode > 0:  # it gave up in order, and left what was there as it was
                UNFINISHED.unlink()
            print(f"pip could not install {file.name}; its words are above.")
            return done.returncode
        stamp(file).write_text(digest(file))
        UNFINISHED.unlink()
    return 0


def create() -> int:
    """Make an empty environment; return the exit status."""
    command = [sys.executable, "-m", "venv", "--clear", str(FOLDER)]
    if find_spec("ensurepip") is None:
        if find_spec("pip") is None:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            print(
                f"This Python {version} can make no virtual environment with pip in it. On Debian and Ubuntu:\n"
                f"  apt-get install python{version}-venv\n"
                "or name a Python that can: make run PYTHON=python3.12"
            )
            return 1
        command.append("--without-pip")  # the system's pip installs into it from outside
    done = subprocess.run(command, check=False)
    if done.returncode == 0:
        UNFINISHED.touch()
    return done.returncode


def pip() -> list[str]:
    """Return the command that installs into the environment."""
    if any(FOLDER.glob("lib/python*/site-packages/pip")):
        return [str(PYTHON), "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", str(PYTHON)]


def works() -> bool:
    """Tell whether the environment's Python starts; one that was moved or whose Python is gone does not."""
    try:
        return subprocess.run([str(PYTHON), "-c", "pass"], check=False).returncode == 0
    except OSError:
        return False


def is_installed(file: Path) -> bool:
    """Tell whether the environment was brought to this lock file."""
    try:
        return stamp(file).read_text() == digest(file)
    except OSError:
        return False


def stamp(file: Path) -> Path:
    """Return where it is noted that a lock file was installed."""
    return FOLDER / f".installed-{file.name}"


def digest(file: Path) -> str:
    """Return what a lock file says and whom it was installed for, in short."""
    text = f"{os.fspath(FOLDER)}\n{sys.version}\n".encode() + file.read_bytes()
    return hashlib.sha256(text).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
