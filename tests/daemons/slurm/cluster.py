"""Starts munged, slurmctld, several slurmd and slurmrestd from Debian's packages, and ends them all."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmrestd", "scontrol", "squeue", "scancel", "sbatch")
PACKAGES = "slurm-wlm slurmrestd slurm-wlm-jwt-plugin munge"
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {"PATH": _PATH, "LANG": "C.UTF-8", "HOME": "/"}


def what_is_missing() -> str:
    """Say why no cluster can be started here; empty when one can."""
    if os.geteuid() != 0:
        return "A Slurm cluster runs its jobs as other users: these tests need root."
    absent = [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]
    if absent:
        return f"{', '.join(absent)} missing; install them (`apt-get install {PACKAGES}`)."
    return ""


@dataclass(frozen=True, kw_only=True)
class Node:
    """One slurmd on this machine."""

    name: str
    cpus: int
    gpu: str = ""
    cards: int = 0


NODES = (
    Node(name="gpu1", cpus=4, gpu="h100", cards=1),
    Node(name="gpu2", cpus=4, gpu="a100", cards=2),
    Node(name="cpu1", cpus=2),
)


@dataclass(kw_only=True)
class SlurmCluster:
    """A cluster in a folder of its own: `with SlurmCluster() as cluster: cluster.run(["sinfo"])`."""

    nodes: Sequence[Node] = NODES
    zone: str = "Asia/Kolkata"
    """Of the controller; whoever calls it is elsewhere."""
    folder: Path = field(init=False)
    ports: dict[str, int] = field(init=False, default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(init=False, default_factory=dict)

    # --- life -------------------------------------------------------------------------------------

    def __enter__(self) -> "SlurmCluster":
        # The path stays short: that of a socket ends at 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        try:
            self._lay_out()
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel all jobs, end all daemons, remove the folder."""
        if "slurmctld" in self.processes:
            self.empty()
        for name in reversed(list(self.processes)):
            self.stop(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def empty(self) -> None:
        """Cancel all jobs, delete all reservations, and wait until every node is idle again."""
        deadline = time.monotonic() + 60
        with suppress(subprocess.TimeoutExpired):
            while (jobs := self._lines("squeue", "-h", "-o", "%A %T")) and time.monotonic() < deadline:
                numbers = [line.split()[0] for line in jobs if "COMPLETING" not in line]
                if numbers:
                    self.run(["scancel", "--quiet", "--signal=KILL", "--full", *numbers])
                    self.run(["scancel", "--quiet", *numbers])
                time.sleep(0.03)
            for line in self._lines("scontrol", "-o", "show", "res"):
                name = line.partition(" StartTime=")[0].partition("=")[2]
                self.run(["scontrol", "delete", f"ReservationName={name}"])
            while not self._is_idle() and time.monotonic() < deadline:
                time.sleep(0.03)

    def _lines(self, *command: str) -> list[str]:
        lines = self.run(list(command)).stdout.splitlines()
        return [line for line in lines if line.strip() and "No reservations" not in line]

    # --- what the tests use -----------------------------------------------------------------------

    @property
    def conf(self) -> Path:
        """Where slurm.conf lies."""
        return self.folder / "slurm.conf"

    @property
    def rest_url(self) -> str:
        """Where slurmrestd listens."""
        return f"http://127.0.0.1:{self.ports['slurmrestd']}"

    @property
    def environment(self) -> dict[str, str]:
        """What Slurm's commands need to find this cluster."""
        return _ENVIRONMENT | {"SLURM_CONF": str(self.conf)}

    def run(
        self, command: Sequence[str], *, user: str = "root", timeout_s: float = 20
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of Slurm's as a user of this machine."""
        prefix: list[str] = []
        if user != "root":
            entry = pwd.getpwnam(user)
            prefix = ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
        return subprocess.run(
            [*prefix, *command],
            env=self.environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def token(self, user: str = "root", lifespan_s: int = 3600) -> str:
        """Return a token for slurmrestd."""
        answer = self.run(["scontrol", "token", f"username={user}", f"lifespan={lifespan_s}"])
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip().partition("=")[2]

    def stop(self, name: str) -> None:
        """End one of the daemons."""
        process = self.processes.pop(name, None)
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=5)

    def start_controller(self) -> None:
        """Start slurmctld, which remembers what the last one knew, and wait until all nodes are back."""
        self._spawn("slurmctld", ["slurmctld", "-D"], zone=self.zone)
        self._wait("slurmctld", self._is_idle)

    # --- underneath -------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self.folder.chmod(0o755)
        names = ["slurmctld", "slurmrestd", *(f"slurmd.{node.name}" for node in self.nodes)]
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
        self.ports = {name: entry.getsockname()[1] for name, entry in zip(names, sockets, strict=True)}
        for entry in sockets:
            entry.close()
        for name in ("munge", "state", "log", "run", "dev", "spool"):
            (self.folder / name).mkdir()
        (self.folder / "munge" / "munge.key").write_bytes(secrets.token_bytes(1024))
        (self.folder / "munge" / "munge.key").chmod(0o400)
        (self.folder / "jwt.key").write_bytes(secrets.token_bytes(32))
        (self.folder / "jwt.key").chmod(0o600)
        for name in ("munge", "munge/munge.key"):
            shutil.chown(self.folder / name, "munge", "munge")
        for name in ("state", "log", "run", "jwt.key"):
            shutil.chown(self.folder / name, "slurm", "slurm")
        gres = []
        for node in self.nodes:
            (self.folder / "spool" / node.name).mkdir()
            for number in range(node.cards):
                # A card that Slurm counts must be a file: a copy of /dev/null, in our own folder.
                card = self.folder / "dev" / f"{node.name}-{number}"
                os.mknod(card, 0o20666, os.makedev(1, 3))
                gres.append(f"NodeName={node.name} Name=gpu Type={node.gpu} File={card}")
        (self.folder / "gres.conf").write_text("\n".join(gres) + "\n")
        self.conf.write_text(self._configuration())

    def _configuration(self) -> str:
        root = self.folder
        lines = [
            "ClusterName=shary",
            "SlurmctldHost=localhost(127.0.0.1)",
            f"SlurmctldPort={self.ports['slurmctld']}",
            "AuthType=auth/munge",
            f"AuthInfo=socket={root}/munge/munge.socket",
            "AuthAltTypes=auth/jwt",
            f"AuthAltParameters=jwt_key={root}/jwt.key",
            "SlurmUser=slurm",
            f"StateSaveLocation={root}/state",
            f"SlurmctldPidFile={root}/run/slurmctld.pid",
            f"SlurmctldLogFile={root}/log/slurmctld.log",
            f"SlurmdPidFile={root}/run/slurmd.%n.pid",
            f"SlurmdSpoolDir={root}/spool/%n",
            f"SlurmdLogFile={root}/log/slurmd.%n.log",
            "SlurmdParameters=config_overrides",
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            "JobAcctGatherType=jobacct_gather/none",
            "AccountingStorageType=accounting_storage/none",
            "ReturnToService=2",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_Core",
            "SchedulerParameters=batch_sched_delay=0,bf_interval=1",
            "GresTypes=gpu",
            "MailProg=/bin/true",
            "MpiDefault=none",
            "KillWait=1",
            "UnkillableStepTimeout=20",
            "MinJobAge=10",
            "SlurmctldDebug=info",
            "Licenses=h100:2",
        ]
        lines += [
            f"NodeName={node.name} NodeHostname=localhost NodeAddr=127.0.0.1 "
            f"Port={self.ports[f'slurmd.{node.name}']} CPUs={node.cpus} RealMemory=500 State=UNKNOWN"
            + (f" Gres=gpu:{node.gpu}:{node.cards}" if node.cards else "")
            for node in self.nodes
        ]
        everyone = ",".join(node.name for node in self.nodes)
        lines.append(f"PartitionName=gpu Nodes={everyone} Default=YES DefaultTime=5 State=UP")
        return "\n".join(lines) + "\n"

    def _start(self) -> None:
        munge = self.folder / "munge"
        self._spawn(
            "munged",
            [
                *("setpriv", "--reuid=munge", "--regid=munge", "--clear-groups", "munged", "--foreground"),
                *(f"--key-file={munge}/munge.key", f"--socket={munge}/munge.socket"),
                *(f"--pid-file={munge}/munged.pid", f"--log-file={munge}/munged.log"),
                *(f"--seed-file={munge}/seed", "--num-threads=2"),
            ],
        )
        self._wait("munged", (munge / "munge.socket").exists)
        self._spawn("slurmctld", ["slurmctld", "-D"], zone=self.zone)
        for node in self.nodes:
            self._spawn(f"slurmd.{node.name}", ["slurmd", "-D", "-N", node.name])
        nobody = pwd.getpwnam("nobody")
        self._spawn(
            "slurmrestd",
            [
                *("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"),
                *("slurmrestd", "-a", "rest_auth/jwt", "-s", "openapi/v0.0.38"),
                f"127.0.0.1:{self.ports['slurmrestd']}",
            ],
            more={"SLURM_JWT": "daemon"},
        )
        self._wait("slurmctld", self._is_idle)
        self._wait("slurmrestd", self._rest_listens)

    def _is_idle(self) -> bool:
        """Say whether every node answers and no job runs."""
        states = self.run(["sinfo", "-h", "-N", "-o", "%N %T"]).stdout.split()[1::2]
        return len(states) == len(self.nodes) and set(states) <= {"idle", "reserved"}

    def _rest_listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.ports["slurmrestd"]), timeout=1).close()
        except OSError:
            return False
        return True

    def _spawn(
        self, name: str, command: Sequence[str], *, zone: str = "UTC", more: dict[str, str] | None = None
    ) -> None:
        log = (self.folder / "log" / f"{name}.out").open("ab")
        with log:
            self.processes[name] = subprocess.Popen(
                list(command),
                env=self.environment | {"TZ": zone} | (more or {}),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait(self, name: str, condition: Callable[[], bool], *, within_s: float = 20.0) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            process = self.processes[name]
            if process.poll() is not None or time.monotonic() > deadline:
                logs = sorted((self.folder / "log").glob(f"{name}*"))
                words = "\n".join(path.read_text(errors="replace")[-1500:] for path in logs)
                raise RuntimeError(f"{name} did not become ready:\n{words}")
            time.sleep(0.03)
