"""`make run`: the whole portal on this machine, until Ctrl-C."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from adapters.contract.wire import private_key, public_text
from shary_portal.quickstart import federation
from shary_portal.quickstart.children import CannotStart
from shary_portal.quickstart.emulators import EmulatedDevices
from shary_portal.quickstart.ports import is_free, next_free_port, who_listens
from shary_portal.quickstart.postgres import EmbeddedPostgres
from shary_portal.quickstart.prepare import WITHOUT_DEMONSTRATION
from shary_portal.quickstart.processes import Part, Supervisor, Voices, sweep
from shary_portal.quickstart.sign_on import DemonstrationHome
from shary_portal.quickstart.sites import DemonstrationSites
from shary_portal.quickstart.state import StateFolder
from shary_portal.quickstart.valkey import EmbeddedValkey

SIGN_IN = "/accounts/login/"
FIRST_PAGE_WITHIN_S = 90
SETTINGS = "shary_portal.settings.development"
ROOT = Path(__file__).resolve().parent.parent.parent


class Portal:
    """One running portal on one state folder."""

    def __init__(self, state: StateFolder, *, port: int, host: str = "127.0.0.1") -> None:
        self.state = state
        self.host = host
        self.port = port
        self.voices = Voices(state.logs)
        self.postgres = None if os.environ.get("DATABASE_URL") else EmbeddedPostgres(state.postgres)
        self.valkey = None if os.environ.get("CELERY_BROKER_URL") else EmbeddedValkey(state.valkey)
        self.sites: DemonstrationSites | None = None
        self.devices: EmulatedDevices | None = None
        self.home: DemonstrationHome | None = None
        self._servers = ExitStack()

    def run(self) -> int:
        """Start everything, stay until a signal comes, stop everything."""
        started = time.monotonic()
        self.state.say_running(address="")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        try:
            self.start_servers()
            asyncio.run(self._serve(started))
        except KeyboardInterrupt:
            status = 0
        except CannotStart as error:
            self.voices.tell(f"\nSHARY cannot start. {error}\n")
            status = 1
        else:
            status = 0
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # what follows takes a second at most
            self._servers.close()
            sweep(str(self.state.path))
            self.voices.tell("SHARY has stopped.")
            self.voices.close()
        return status

    def start_servers(self) -> None:
        """Start the embedded database and broker, as far as the environment names no others."""
        if self.postgres is not None:
            self._servers.callback(self.postgres.stop)
            if not (self.postgres.cluster / "PG_VERSION").exists():
                self.voices.tell("Making a database …")
            self.postgres.begin()
        if self.valkey is not None:
            self._servers.callback(self.valkey.stop)
            self.valkey.begin()
        if self.postgres is not None:
            self.postgres.wait()
        if self.valkey is not None:
            self.valkey.wait()

    def environment(self) -> dict[str, str]:
        """Return the environment of the portal's processes, and note it for `manage.py`."""
        keys = self.state.keys()
        made = {name: keys[name] for name in keys if name.startswith("SHARY_")}
        if self.postgres is not None:
            made["DATABASE_URL"] = self.postgres.url()
        if self.valkey is not None:
            made["CELERY_BROKER_URL"] = self.valkey.url()
        self.state.note_environment(made)
        return {
            **made,
            **os.environ,
            "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", SETTINGS),
            "SHARY_STATE_DIR": str(self.state.path),
            # Root is as good as anybody where all run on one machine.
            "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", "ignore:You're running the worker"),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        }

    async def _serve(self, started: float) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        env = self.environment()
        supervisor = Supervisor(voices=self.voices, env=env, mark=str(self.state.path))
        work = asyncio.create_task(self._work(supervisor, env, started))
        waiting = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                await work  # it failed: say why
        finally:
            work.cancel()
            waiting.cancel()
            self.voices.tell("\nStopping …")
            await self._end_all(supervisor)

    async def _work(self, supervisor: Supervisor, env: dict[str, str], started: float) -> None:
        self.port = self._choose_port()
        self._lay_out_demonstration(env)
        supervisor.keep(self._web())
        prepared = await supervisor.run_once(
            Part(
                name="prepare",
                command=[sys.executable, "-m", "shary_portal.quickstart.prepare"],
                env={"SHARY_DEMONSTRATION_INVENTORY": str(self.sites.inventory_file)} if self.sites else {},
            )
        )
        if prepared == WITHOUT_DEMONSTRATION:
            self.devices = self.sites = self.home = None
        elif prepared != 0:
            raise CannotStart(f"The database could not be prepared; see {self.state.logs}/prepare.log.")
        await self._first_page()
        self.state.say_running(address=self.address)
        self._show_box(env["SHARY_DEMONSTRATION_PASSWORD"], seconds=time.monotonic() - started)
        for part in self._helpers():
            supervisor.keep(part)
        await self._watch_servers()

    async def _end_all(self, supervisor: Supervisor) -> None:
        names = list(supervisor.names)
        devices = [name for name in names if name.startswith("device.")]
        await supervisor.end([name for name in names if name not in ("web", *devices)])
        await supervisor.end(["web"])
        await supervisor.end(devices)

    @property
    def address(self) -> str:
        """Where the portal answers."""
        return f"http://{self.host}:{self.port}/"

    def _choose_port(self) -> int:
        if is_free(self.port, host=self.host):
            return self.port
        other = next_free_port(self.port + 1, host=self.host)
        self.voices.tell(
            f"Port {self.port} is taken by {who_listens(self.port)}; SHARY takes {other} instead. "
            "Another can be named: make run PORT=…"
        )
        return other

    def _lay_out_demonstration(self, env: dict[str, str]) -> None:
        """Choose ports for the devices, and write down what their sites' workers must know."""
        if os.environ.get("SHARY_DEMONSTRATION") == "0":
            return
        self.devices = EmulatedDevices(self.state.devices)
        self.sites = DemonstrationSites(
            self.state.sites,
            broker_url=env["CELERY_BROKER_URL"],
            hub_public_key=public_text(private_key(env["SHARY_HUB_KEY"])),
        )
        self.devices.lay_out()
        self.home = DemonstrationHome(self.state.sites, portal_port=self.port)
        self.home.lay_out()
        self.sites.lay_out(self.devices, home=self.home.known())
        self.voices.width = max(len(part.name) for part in self.devices.parts())

    def _web(self) -> Part:
        return Part(
            name="web",
            command=[
                *(sys.executable, "-m", "uvicorn", "shary_portal.asgi:application"),
                *("--host", self.host, "--port", str(self.port)),
                *("--lifespan", "off", "--no-access-log", "--log-level", "warning"),
                *("--timeout-graceful-shutdown", "1"),
            ],
            env=self._place(),
            patience_s=2.0,
        )

    def _place(self) -> dict[str, str]:
        """Say where the portal is reached, for links in mails."""
        return {"SHARY_URL": os.environ.get("SHARY_URL", self.address)}

    def _helpers(self) -> Sequence[Part]:
        """Everything beside the page itself."""
        celery = (sys.executable, "-m", "celery", "--quiet", "-A", "shary_portal")
        quiet = ("--loglevel", "warning")
        parts = [
            Part(
                name="hub",
                command=[
                    *(*celery, "worker", *quiet, "-Q", "hub,bell", "-n", "hub@%h"),
                    *("--pool", "threads", "--concurrency", "2"),
                    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
                ],
                env=self._place(),
            ),
            Part(name="beat", command=[*celery, "beat", *quiet]),
        ]
        if self.devices is not None and self.sites is not None:
            parts += [*self.devices.parts(), *self.sites.parts()]
        if self.home is not None:
            parts.insert(0, self.home.part())  # a newcomer's first click leads there
        return parts

    async def _first_page(self) -> None:
        deadline = time.monotonic() + FIRST_PAGE_WITHIN_S
        while (status := await _status_of(self.host, self.port, SIGN_IN)) != 200:
            if time.monotonic() > deadline:
                answer = f"answers with status {status}" if status else "does not answer"
                raise CannotStart(f"The sign-in page {answer}; see {self.state.logs}/web.log.")
            await asyncio.sleep(0.05)

    async def _watch_servers(self) -> None:
        """Start the database or the broker again if it ends."""
        while True:
            await asyncio.sleep(1)
            for name, server in (("postgres", self.postgres), ("valkey", self.valkey)):
                if server is not None and server.pid is None:
                    self.voices.say(name, "ended; starts again")
                    server.begin()
                    await asyncio.to_thread(server.wait)

    def _show_box(self, password: str, *, seconds: float) -> None:
        lines = [f"SHARY is ready: {self.address}", ""]
        if self.sites is not None:
            lines += ["Demonstration accounts:"]
            width = max(len(person.email) for person in federation.PEOPLE)
            lines += [f"  {person.email:<{width}}  {person.says}" for person in federation.PEOPLE]
            lines += [f"Password of all of them: {password}"]
            lines += [f"Or sign in with {federation.HOME.name}, a home institution, without any."]
            lines += [f"SSH key of the researcher and the colleague: {self.sites.ssh_key_file}", ""]
        lines += [
            f"State: {self.state.path}   logs: {self.state.logs}",
            "Ctrl-C stops everything, `make reset` forgets everything.",
        ]
        width = max(map(len, lines))
        self.voices.tell(f"\n╭─{'─' * width}─╮")
        for line in lines:
            self.voices.tell(f"│ {line:<{width}} │")
        self.voices.tell(f"╰─{'─' * width}─╯\n(started in {seconds:.1f} s)\n")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


async def _status_of(host: str, port: int, path: str) -> int:
    """Return the status that a page answers with, 0 when nobody answers."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        line = await asyncio.wait_for(reader.readline(), 30)
        writer.close()
        return int(line.split()[1])
    except (OSError, TimeoutError, IndexError, ValueError):
        return 0
