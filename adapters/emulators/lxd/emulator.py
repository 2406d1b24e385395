"""An LXD server in this process, with a door that can be shut and faults that can be switched on."""

import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Literal

from adapters.emulators.lxd.certificates import self_signed
from adapters.emulators.lxd.daemon import Daemon
from adapters.emulators.lxd.faults import Fault, Faults
from adapters.emulators.lxd.nouns import HostCard
from adapters.emulators.lxd.routes import Routes
from adapters.emulators.lxd.server import HttpsServer
from adapters.emulators.lxd.trust import TrustStore


class LxdEmulator:
    """An emulated LXD server: `with LxdEmulator(trust=[pem]) as lxd: lxd.url, lxd.certificate`."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        trust: Iterable[str] = (),
        cards: Iterable[HostCard] = (),
        images: Iterable[str] = ("ubuntu-gpu",),
        name: str = "lxd-emulator",
        folder: Path | None = None,
        state: Path | None = None,
        delay_s: float = 0.01,
    ) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="lxd-emulator-")
        self.folder = folder or Path(self._temporary.name if self._temporary else "")
        certificate, key = self.folder / "server.crt", self.folder / "server.key"
        if not (certificate.exists() and key.exists()):
            self_signed(name, hosts=[host, "localhost"]).write(self.folder, "server")
        self.certificate = certificate.read_text()
        """The server's certificate in PEM, for clients to pin."""
        self.trust = TrustStore.serving(certificate, key)
        for pem in trust:
            self.trust.add(pem)
        self.faults = Faults()
        self._cards, self._images, self._name = tuple(cards), tuple(images), name
        self._state, self._delay_s = state, delay_s
        self._address = (host, port)

    # --- life -------------------------------------------------------------------------------------

    def __enter__(self) -> "LxdEmulator":
        self.daemon = Daemon(
            cards=self._cards,
            images=self._images,
            name=self._name,
            state=self._state,
            delay_s=self._delay_s,
        )
        self._routes = Routes(self.daemon, self.trust)
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.faults.mend()
        self._shut()
        self.daemon.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def url(self) -> str:
        """Return where clients find it."""
        return f"https://{self._address[0]}:{self._address[1]}"

    # --- bad days -----------------------------------------------------------------------------------

    def break_with(self, fault: Literal["unreachable", "hang", "late", "lie", "reboot"]) -> None:
        """Break the whole server in one of five ways, until `mend`."""
        if fault == "unreachable":
            self._shut()
        elif fault == "reboot":
            self.reboot()
        elif fault == "hang":
            self.faults.add(Fault("hang", match=""))
        else:
            self.faults.add(Fault(fault))

    def mend(self) -> None:
        """End all faults; what took effect stays."""
        self.faults.mend()
        if self._server is None:
            self._open()

    def restart(self, *, busy_s: float = 0.0) -> None:
        """Start the daemon again: connections break, operations are forgotten, instances run on."""
        self.daemon.restart(busy_s=busy_s)
        if self._server is not None:
            self._server.drop_connections()

    def reboot(self) -> None:
        """Start the host again: sessions are gone too, and what ran before runs again."""
        self.daemon.reboot()
        if self._server is not None:
            self._server.drop_connections()

    def changes(self) -> int:
        """Return how many changes the server has made since it was started."""
        return self.daemon.changes

    # --- underneath -----------------------------------------------------------------------------------

    def _open(self) -> None:
        self._server: HttpsServer | None = HttpsServer(self._address, routes=self._routes, faults=self.faults)
        self._address = (self._address[0], self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="lxd https", daemon=True
        )
        self._thread.start()

    def _shut(self) -> None:
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server.drop_connections()
        self._thread.join(timeout=5)
        self._server = None
