"""Starts the real LXD daemon in namespaces of its own, and ends it without a trace.

Processes, mounts, devices and the network are private to it, so that the kernel clears away all of
it with the first process. The one way in is a pair of virtual network cards.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.daemons.lxd.image import write_image
from tests.quiet_network import changing_network

H100, A100 = "0000:65:00.0", "0000:b3:00.0"
IMAGE = "ubuntu-gpu"
PROGRAMS = {
    "lxd": "lxd",
    "lxc": "lxd-client",
    "dropbear": "dropbear-bin",
    "busybox": "busybox-static",
    "dnsmasq": "dnsmasq-base",
    "nft": "nftables",
    "ip": "iproute2",
    "newuidmap": "uidmap",
    "mksquashfs": "squashfs-tools",
    "setfacl": "acl",
    "rsync": "rsync",
    "setfattr": "attr",
}
CARDS = {H100: ("2330", "NVIDIA H100 80GB HBM3", "9.0"), A100: ("20b0", "NVIDIA A100 80GB PCIe", "8.0")}
"""By address: the product's number, the model, the architecture."""
# What the driver's own tool prints; LXD reads it from the third line on.
LIST = """NVRM version,CUDA version
580.159.04,13.0

Device Index,Device Minor,Model,Brand,GPU UUID,Bus Location,Architecture
"""
JOIN = "find /sys/fs/cgroup -maxdepth 2 -path '*/cgroup.procs' | while read all; do echo $$ >$all; done"
PRESEED = """
config: {{core.https_address: "{address}:8443", images.auto_update_interval: "0"}}
storage_pools: [{{name: default, driver: dir}}]
profiles:
- name: default
  devices: {{root: {{type: disk, path: /, pool: default}}}}
- name: straight
  devices: {{eth0: {{type: nic, nictype: routed, name: eth0, ipv4.address: {straight}}}}}
"""


def what_is_missing() -> str:
    """Return what keeps the daemon from running here, in words; empty when nothing does."""
    if os.geteuid() != 0:
        return "the real LXD needs root"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    absent = [package for program, package in PROGRAMS.items() if shutil.which(program, path=path) is None]
    if absent:
        return f"the real LXD needs packages: apt-get install {' '.join(absent)}"
    tried = subprocess.run(["unshare", "-m", "-n", "-p", "-C", "-f", "true"], capture_output=True, check=False)
    if tried.returncode != 0 or not os.access("/sys/fs/cgroup", os.W_OK):
        return "the real LXD needs a root that may make namespaces and control groups"
    return ""


class LxdDaemon:
    """An LXD server: `with LxdDaemon(trust={"operator": pem}) as lxd: lxd.url, lxd.certificate`."""

    image = IMAGE
    server: subprocess.Popen[bytes] | None = None

    def __init__(self, *, trust: dict[str, str], cards: dict[str, tuple[str, str, str]] = CARDS) -> None:
        self._trust, self._cards = trust, cards

    # --- life -------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        # Short: the sockets of LXD lie below, and their paths end at 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="shary-lxd-"))
        # The root of an unprivileged container is nobody here, and its files lie below.
        self.folder.chmod(0o711)
        try:
            self._open()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # All that is inside goes with the first process; the others here only wait for theirs.
        first: subprocess.Popen[bytes] | None = getattr(self, "_first", None)
        with changing_network():
            if first is not None:
                first.kill()
            for process in (first, self.server):
                if process is not None:
                    process.wait(timeout=10)
        self._clear_groups()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _open(self) -> None:
        cards = " ".join(f"{pci}=0x{product}" for pci, (product, _, _) in self._cards.items())
        script = Path(__file__).with_name("inside.sh")
        with (self.folder / "inside.log").open("wb") as log:
            self._first = subprocess.Popen(
                [
                    *["unshare", "-m", "-n", "-p", "-f", "--kill-child", "bash"],
                    str(script),
                    str(self.folder),
                    cards,
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _await((self.folder / "ready").exists, 10, lambda: (self.folder / "inside.log").read_text())
        self._inner = _only_child(self._first.pid)
        with changing_network():
            self._connect()
        binaries = self.folder / "bin"
        binaries.mkdir()
        lines = (
            f"{number},{number},{model},Nvidia,GPU-11111111-2222-3333-4444-{number:012},{pci},{architecture}\n"
            for number, (pci, (_, model, architecture)) in enumerate(self._cards.items())
        )
        (self.folder / "cards.csv").write_text(LIST + "".join(lines))
        (binaries / "nvidia-container-cli").write_text(f"#!/bin/sh\ncat {self.folder}/cards.csv\n")
        (binaries / "nvidia-container-cli").chmod(0o755)
        self.start()
        preseed = PRESEED.format(address=self.address, straight=self.straight)
        self.inside("lxd", "init", "--preseed", text=preseed)
        image = self.folder / "image.tar"
        write_image(image)
        self.inside("lxc", "image", "import", str(image), "--alias", IMAGE)
        for name, pem in self._trust.items():
            self.trust(pem, name=name)
        self.certificate = Path(f"/proc/{self._inner}/root{self.folder}/lxd/server.crt").read_text()

    def _clear_groups(self) -> None:
        # They are the host's: what was in them outlives the namespaces.
        root = Path("/sys/fs/cgroup")
        for ours in (root / self.folder.name, *root.glob(f"*/{self.folder.name}")):
            for group in sorted((ours, *ours.rglob("*/")), reverse=True):
                with suppress(FileNotFoundError):
                    _await(partial(_is_gone, group), 5, lambda: "a control group is still in use")

    def _connect(self) -> None:
        # The name of the network card is the lock on its addresses.
        for number in range(250):
            name = f"shl{number}"
            made = subprocess.run(
                ["ip", "link", "add", name, "type", "veth", "peer", "name", "out", "netns", str(self._inner)],
                capture_output=True,
                check=False,
            )
            if made.returncode == 0:
                break
        else:
            raise RuntimeError(f"No network card could be made: {made.stderr.decode()}")
        self.link = name
        net = f"198.18.{number}"
        self.address, self.straight = f"{net}.2", f"{net}.65"
        for command in (
            f"ip addr add {net}.1/30 dev {name}",
            f"ip link set {name} up",
            f"nsenter -t {self._inner} -n ip addr add {net}.2/30 dev out",
            f"nsenter -t {self._inner} -n ip link set out up",
            f"nsenter -t {self._inner} -n ip route add default via {net}.1",
            # Where no instance answers, the connection is refused, not lost.
            f"nsenter -t {self._inner} -n ip route add local {net}.64/26 dev lo metric 9999",
            f"ip route add {net}.64/26 via {net}.2",
        ):
            subprocess.run(command.split(), check=True)

    # --- the daemon -------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the daemon, and wait until it answers."""
        with (self.folder / "lxd.log").open("ab") as log:
            self.server = subprocess.Popen(
                [*self._enter(), "sh", "-c", f"{JOIN}; exec lxd --group root"],
                env=self._environment(),
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        self.inside("lxd", "waitready", "--timeout", "30")

    def kill(self) -> None:
        """Kill the daemon as a crash would; its containers run on."""
        if self.server is None:
            return
        with suppress(ProcessLookupError):
            os.kill(_only_child(self.server.pid), signal.SIGKILL)
        self.server.wait(timeout=10)
        self.server = None

    def restart(self) -> None:
        """Kill the daemon and start it again: it has forgotten its operations."""
        self.kill()
        self.start()

    @property
    def url(self) -> str:
        """Return where clients find it."""
        return f"https://{self.address}:8443"

    def trust(self, certificate: str, *, name: str, projects: Sequence[str] = ()) -> None:
        """Trust a client, with all projects or with some."""
        file = self.folder / f"{name}.crt"
        file.write_text(certificate)
        only = ["--restricted", "--projects", ",".join(projects)] if projects else []
        self.inside("lxc", "config", "trust", "add", str(file), "--name", name, *only)

    def distrust(self, fingerprint: str) -> None:
        """Trust a client no longer."""
        self.inside("lxc", "config", "trust", "remove", fingerprint)

    def bind(self, pci: str, driver: str) -> None:
        """Give a card to a driver, as the kernel's sysfs shows it."""
        link = Path(f"/proc/{self._inner}/root/sys/bus/pci/devices/{pci}/driver")
        link.unlink()
        link.symlink_to(self.folder / "drivers" / driver)

    def inside(self, *command: str, text: str = "") -> str:
        """Run a command in the namespaces, as the operator of the server; return what it prints."""
        done = subprocess.run(
            [*self._enter(), *command],
            env=self._environment(),
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd="/",
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}\n{self._log()}")
        return done.stdout

    # --- underneath -------------------------------------------------------------------------------

    def _enter(self) -> list[str]:
        return ["nsenter", "-t", str(self._inner), "-m", "-n", "-p", "-C"]

    def _environment(self) -> dict[str, Any]:
        return {
            "LXD_DIR": str(self.folder / "lxd"),
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PATH": f"{self.folder}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        }

    def _log(self) -> str:
        log = self.folder / "lxd.log"
        return log.read_text()[-2000:] if log.exists() else ""


def _only_child(process: int) -> int:
    return int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])


def _is_gone(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _await(condition: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"The namespaces of the real LXD did not come up: {why()}")
        time.sleep(0.02)
