"""The servers that measurements run on: PostgreSQL and Valkey of their own, kept between runs."""

import fcntl
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import psycopg

from bench.measuring import CACHE, ROOT, progress
from shary_portal.quickstart.children import start_child
from shary_portal.quickstart.postgres import EVERYDAY, EmbeddedPostgres
from shary_portal.quickstart.valkey import EmbeddedValkey

# As one would run it for a portal on a small server: durable, with some memory.
LIKE_PRODUCTION: Mapping[str, str] = {
    **EVERYDAY,
    "shared_buffers": "1GB",
    "effective_cache_size": "4GB",
    "max_connections": "200",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "random_page_cost": "1.1",
}
KEYS = {
    "SHARY_SECRET_KEY": "only-for-measurements",
    "SHARY_HUB_KEY": "nTkHEW3PUbzQ9cfUXUg1aYd9cMsR1gVSd6nKkDpPVyY=",
    "SHARY_FIELD_KEYS": "3l2cKc5Tn0TnFUDtfCMOdxVlyTdDGeBRZqPvW8nAb1Q=",
    "SHARY_HOSTS": "127.0.0.1,localhost",
    "SHARY_SSL_REDIRECT": "false",
    "SHARY_LOG_LEVEL": "WARNING",
    "EMAIL_URL": "dummymail://",
    "DJANGO_SETTINGS_MODULE": "bench.settings",
}


class Stage:
    """The servers of one measurement, and the processes that it starts."""

    def __init__(self, *, durable: bool = True) -> None:
        self._stack = ExitStack()
        self.durable = durable
        self.folder = CACHE
        settings = dict(LIKE_PRODUCTION)
        if not durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        self.postgres = EmbeddedPostgres(self.folder / "postgres", settings=settings)
        self.valkey = EmbeddedValkey(self.folder / "valkey")
        self.database = "shary"

    def __enter__(self) -> "Stage":
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self._stack.enter_context((self.folder / "lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)  # one measurement at a time: two would measure each other
        self._stack.callback(self.postgres.stop)
        self._stack.callback(self.valkey.stop)
        self.postgres.stop()  # one left by a killed run may have other settings
        self.postgres.begin()
        self.valkey.start()
        self.postgres.wait(timeout_s=120)
        return self

    def __exit__(self, *unused: object) -> None:
        self._stack.close()

    @property
    def conditions(self) -> dict[str, object]:
        """What a reader must know of the servers."""
        with self.connect() as db:
            (version,) = db.execute("SHOW server_version").fetchone() or ("?",)
        return {
            "PostgreSQL": f"{version}, fsync {'on' if self.durable else 'off'}, socket, 1 GB of buffers",
            "Python": sys.version.split()[0],
        }

    def connect(self, database: str | None = None) -> "psycopg.Connection[Any]":
        """Return a connection of its own to a database."""
        return psycopg.connect(self.postgres.url(database or self.database), autocommit=True)

    def migrated(self) -> str:
        """Return the name of an empty database with the portal's tables, to be copied."""
        name = f"empty_{migrations_digest()}"
        if not self.exists(name):
            progress("making the tables")
            self.create(f"{name}_made")
            env = self.environment(f"{name}_made")
            subprocess.run(
                [sys.executable, "-W", "ignore", "manage.py", "migrate", "--verbosity", "0"],
                cwd=ROOT,
                env=env,
                check=True,
            )
            with self.connect("postgres") as db:
                db.execute(f'ALTER DATABASE "{name}_made" RENAME TO "{name}"')
        return name

    def fresh(self, name: str = "run") -> str:
        """Make and use a database with empty tables."""
        template = self.migrated()
        self.drop(name)
        self.create(name, template=template)
        self.database = name
        return name

    def exists(self, name: str) -> bool:
        """Tell whether there is such a database."""
        with self.connect("postgres") as db:
            return db.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None

    def create(self, name: str, *, template: str = "template1") -> None:
        """Make a database."""
        self.drop(name)
        with self.connect("postgres") as db:
            db.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    def drop(self, name: str) -> None:
        """Remove a database, whoever uses it."""
        with self.connect("postgres") as db:
            db.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def environment(self, database: str | None = None) -> dict[str, str]:
        """Return the environment of the portal's processes."""
        return {
            **os.environ,
            **KEYS,
            "DATABASE_URL": self.postgres.url(database or self.database),
            "CELERY_BROKER_URL": self.valkey.url(),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
        }

    def enter_portal(self) -> None:
        """Make this process a part of the portal, on the database in use."""
        os.environ.update(self.environment())
        import django

        django.setup()

    def start(
        self, name: str, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start a process that ends with the measurement; what it says goes to a file."""
        log = self._stack.enter_context((self.folder / f"{name}.log").open("wb"))
        process = start_child(
            command,
            ends_with_us=signal.SIGKILL,
            env=self.environment() if env is None else env,
            cwd=ROOT,
            output=log,
        )
        self._stack.callback(end, process)
        return process

    @contextmanager
    def served(self, server: str = "uvicorn", *, workers: int = 2) -> Iterator[int]:
        """Serve the portal on a free port while the block runs."""
        port = free_port()
        process = self.start(f"web-{server}", server_command(server, port, workers))
        try:
            wait_until_it_answers(port, process, self.folder / f"web-{server}.log")
            yield port
        finally:
            end(process)


def server_command(server: str, port: int, workers: int) -> list[str]:
    """Return how the portal is served."""
    gunicorn = [
        *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"),
        *("--workers", str(workers), "--log-level", "warning"),
    ]
    match server:
        case "uvicorn":
            # Behind gunicorn in production; alone it is what `make run` starts. Its own --workers make
            # sockets without TCP_NODELAY, which costs 40 ms for each answer: hence one process.
            return [
                *(sys.executable, "-m", "uvicorn", "shary_portal.asgi:application"),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--lifespan", "off", "--no-access-log", "--log-level", "warning"),
            ]
        case "gunicorn-asgi":
            return [*gunicorn, "--worker-class", "asgi", "shary_portal.asgi:application"]
        case "gunicorn":
            # Its sync workers close the connection after each answer; threads keep it.
            return [
                *(*gunicorn, "--worker-class", "gthread", "--threads", "4", "--keep-alive", "30"),
                "shary_portal.wsgi:application",
            ]
        case "gunicorn-sync":
            return [*gunicorn, "--worker-class", "sync", "shary_portal.wsgi:application"]
        case _:
            raise SystemExit(
                f"No server is called “{server}”; there are uvicorn, gunicorn, gunicorn-sync and gunicorn-asgi."
            )


def wait_until_it_answers(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait for the first answer of the null endpoint."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"The server ended:\n{log.read_text()[-3000:]}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(b"GET /bench/null/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
                status = client.recv(64)
                if b" 200 " in status:
                    return
                if b" 500 " in status:
                    raise SystemExit(f"The server cannot serve:\n{log.read_text()[-3000:]}")
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"The server does not answer:\n{log.read_text()[-3000:]}")


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it started."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(8)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def migrations_digest() -> str:
    """Return a mark that changes with the portal's tables."""
    digest = hashlib.sha256()
    for app in ("accounts", "resources", "reservations"):
        for file in sorted((ROOT / app / "migrations").glob("0*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:10]


def tail(file: TextIO | Path) -> str:
    """Return the end of a log."""
    return Path(str(file)).read_text(errors="replace")[-2000:]
