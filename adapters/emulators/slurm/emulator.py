"""A Slurm cluster in this process, with doors that can be shut and faults that can be switched on."""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal

from adapters.emulators.slurm.cluster import Cluster
from adapters.emulators.slurm.commands import Commands
from adapters.emulators.slurm.faults import Faults
from adapters.emulators.slurm.nouns import EmulatedNode
from adapters.emulators.slurm.rest import Rest
from adapters.emulators.slurm.servers import CommandServer, Door, RestServer
from adapters.emulators.slurm.shim import write_commands, write_conf

NODES = (
    EmulatedNode("gpu1", cpus=4, gpu="h100", cards=1),
    EmulatedNode("gpu2", cpus=4, gpu="a100", cards=2),
    EmulatedNode("cpu1", cpus=2),
)


class SlurmEmulator:
    """An emulated cluster: `with SlurmEmulator() as slurm: slurm.conf, slurm.bin_dir, slurm.rest_url`."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        rest_port: int = 0,
        nodes: Iterable[EmulatedNode] = NODES,
        users: Iterable[str] = ("games", "daemon", "nobody"),
        accounts: Iterable[str] = (),
        licences: Mapping[str, int] | None = None,
        tokens: Mapping[str, str] | None = None,
        version: str = "22.05.8",
        folder: Path | None = None,
        state: Path | None = None,
    ) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="slurm-emulator-")
        self.folder = folder or Path(self._temporary.name if self._temporary else "")
        self.conf = self.folder / "slurm.conf"
        """Where it says where it listens."""
        self.bin_dir = self.folder / "bin"
        """Where the commands lie."""
        self.faults = Faults()
        self.cluster = Cluster(
            nodes=[EmulatedNode(**vars(node)) for node in nodes],
            users=users,
            accounts=accounts,
            licences={"h100": 2} if licences is None else licences,
            version=version,
            state=state,
        )
        self.rest = Rest(self.cluster, tokens or {})
        commands = Commands(self.cluster)
        self._commands = Door(
            lambda address: CommandServer(address, commands=commands, faults=self.faults), (host, port)
        )
        self._rest = Door(
            lambda address: RestServer(address, rest=self.rest, faults=self.faults), (host, rest_port)
        )

    # --- life -------------------------------------------------------------------------------------

    def __enter__(self) -> "SlurmEmulator":
        self._commands.open()
        self._rest.open()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_conf(self.conf, *self._commands.address)
        write_commands(self.bin_dir, self.conf)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.faults.mend()
        self._commands.shut()
        self._rest.shut()
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def rest_url(self) -> str:
        """Return where the emulated slurmrestd listens."""
        return f"http://{self._rest.address[0]}:{self._rest.address[1]}"

    @property
    def port(self) -> int:
        """Return where the commands find it."""
        return self._commands.address[1]

    def run(
        self, command: Sequence[str], *, user: str = "root", timeout_s: float = 20
    ) -> "subprocess.CompletedProcess[str]":
        """Run one of the commands as a user of the cluster."""
        environment = {"SLURM_CONF": str(self.conf), "SLURM_EMULATOR_USER": user, "PATH": os.defpath}
        return subprocess.run(
            [str(self.bin_dir / command[0]), *command[1:]],
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    # --- bad days -----------------------------------------------------------------------------------

    def break_with(self, fault: Literal["unreachable", "hang", "late", "lie", "reboot"]) -> None:
        """Break the whole cluster in one of five ways, until `mend`."""
        if fault == "unreachable":
            self._commands.shut()
            self._rest.shut()
        elif fault == "reboot":
            with self.cluster.lock:
                self.cluster.reboot()
        else:
            self.faults.add(fault)

    def mend(self) -> None:
        """End all faults; what took effect stays."""
        self.faults.mend()
        self._commands.open()
        self._rest.open()

    def changes(self) -> int:
        """Return how many changes of reservations were made since the start."""
        return self.cluster.changes
