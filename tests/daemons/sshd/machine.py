"""Starts an sshd on a free port of the loopback address, and removes all that it let in."""

import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import asyncssh

from adapters.linux_host.build import build

PROGRAMS = ("sshd", "useradd", "usermod", "userdel", "groupadd", "setfacl", "find", "ipcrm")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_ACCOUNT = "shary-t-"
_NULL = os.makedev(1, 3)

_SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes yes
AuthorizedKeysFile {keys}/%u
MaxStartups 100
LogLevel INFO
"""

# Answers as nvidia-smi does, from files that the test writes.
_NVIDIA_SMI = """\
#!/bin/sh
if [ -e {folder}/smi/broken ]; then
	echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
	exit 9
fi
case "$*" in
*--query-gpu*) cat {folder}/smi/cards ;;
*--query-compute-apps*) cat {folder}/smi/processes ;;
-L) cat {folder}/smi/list ;;
esac
"""


def what_is_missing() -> str:
    """Say why this machine cannot be a site; empty when it can."""
    if os.geteuid() != 0:
        return "Accounts that come and go by ssh need root."
    absent = [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]
    if absent:
        return f"{', '.join(absent)} missing; install them (`apt-get install openssh-server acl`)."
    return ""


class GpuMachine:
    """`with GpuMachine(worker="ssh-ed25519 …", cards=…) as machine: machine.port, machine.host_key`."""

    def __init__(self, *, worker: str, cards: Iterable[Any]) -> None:
        self._worker = worker
        self._cards = tuple(cards)
        self.account = f"{_ACCOUNT}{os.getpid()}"
        """The worker's account: root by another name, since its key starts one program only."""
        slot = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        # Runs beside each other must not take each other's user ids.
        first = 200_000 + (os.getpid() % 1000) * 1000 + slot * 100_000_000
        self.uids = (first, first + 999)
        self._sshd: subprocess.Popen[bytes] | None = None
        self.port = 0

    # --- life -------------------------------------------------------------------------------------

    def __enter__(self) -> "GpuMachine":
        # sshd trusts keys only below folders that nobody else can write; the temporary folder is not one.
        self.folder = Path(tempfile.mkdtemp(prefix="shary-sshd-", dir="/var/lib"))
        self.folder.chmod(0o755)
        # Device files work in /dev only: elsewhere they are often switched off.
        self.devices = Path(tempfile.mkdtemp(prefix="shary-", dir="/dev"))
        self.devices.chmod(0o755)
        try:
            self._lay_out()
            self._make_account()
            self.start_sshd()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.tidy_up()
        self.stop_sshd()
        subprocess.run(["userdel", "-f", self.account], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.devices, ignore_errors=True)

    def _lay_out(self) -> None:
        folder = self.folder
        key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key = key.export_public_key().decode().strip()
        (folder / "host_key").touch(mode=0o600)
        (folder / "host_key").write_bytes(key.export_private_key())
        self.program = build("gpu_ssh", folder / "shary-gpu-host.pyz")
        self.keys, self.homes, self.state = folder / "keys", folder / "homes", folder / "state"
        self.wipe = folder / "wipe"
        self.keys.mkdir(mode=0o755)
        self.wipe.mkdir()
        self.wipe.chmod(0o1777)
        self.config = folder / "shary-gpu-host.json"
        self.smi = folder / "nvidia-smi"
        self.smi.write_text(_NVIDIA_SMI.format(folder=folder))
        self.smi.chmod(0o755)
        self.driver = folder / "driver"
        for number, card in enumerate(self._cards):
            (self.driver / "gpus" / card.pci).mkdir(parents=True)
            (self.driver / "gpus" / card.pci / "information").write_text(f"Device Minor: \t {number}\n")
        self.reset_driver()
        forced = f"{self.program} --config {self.config}"
        (self.keys / self.account).write_text(f'restrict,command="{forced}" {self._worker}\n')

    def reset_driver(self) -> None:
        """Put cards, device files and configuration back as they were at first."""
        (self.driver / "params").write_text("ModifyDeviceFiles: 0\nDeviceFileMode: 438\n")
        self.show_cards()
        self.configure()
        for number in range(len(self._cards)):
            node = self.node(number)
            node.unlink(missing_ok=True)
            os.mknod(node, 0o666 | stat.S_IFCHR, _NULL)
            # As the driver leaves them: open to everybody.
            node.chmod(0o666)

    def node(self, number: int) -> Path:
        """Return the device file of a card."""
        return self.devices / f"nvidia{number}"

    def show_cards(
        self, *, broken: bool = False, used_mib: int = 4, errors: int = 0, pids: Iterable[int] = ()
    ) -> None:
        """Say what the driver's tool shows: of the first card, with these traces."""
        answers: dict[str, list[str]] = {"cards": [], "processes": [], "list": []}
        for number, card in enumerate(self._cards):
            used, wrong, running = (used_mib, errors, pids) if number == 0 else (4, 0, ())
            row = (f"0000{card.pci}".upper(), card.serial_uuid, "[N/A]", card.model, card.memory_mib, used)
            answers["cards"].append(", ".join(map(str, (*row, 0, 35, 71.52, wrong))))
            answers["processes"] += [f"{card.serial_uuid}, {pid}" for pid in running]
            answers["list"].append(f"GPU {number}: {card.model} (UUID: {card.serial_uuid})")
        folder = self.folder / "smi"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, lines in answers.items():
            (folder / name).write_text("".join(f"{line}\n" for line in lines))
        if broken:
            (folder / "broken").touch()

    def configure(self, **changes: Any) -> None:
        """Write the host's configuration."""
        values = {
            "cards": [card.pci for card in self._cards],
            "uids": list(self.uids),
            "homes": str(self.homes),
            "keys": f"{self.keys}/{{account}}",
            "shell": "/bin/sh",
            "state": str(self.state),
            "wipe": [str(self.wipe), "/dev/shm", "/var/spool/cron"],
            "nvidia_smi": str(self.smi),
            "device_root": str(self.devices),
            "driver_root": str(self.driver),
        }
        self.config.write_text(json.dumps(values | changes))

    def _make_account(self) -> None:
        # A second name of root, so that the key's program may do its work without sudo on this machine.
        self._run("useradd", "-o", "-u", "0", "-g", "0", "-M", "-N", "-d", "/", "-s", "/bin/sh", self.account)
        self._run("usermod", "-p", "*", self.account)

    # --- sshd -------------------------------------------------------------------------------------

    def start_sshd(self) -> None:
        """Start it, at the port of the first start, and wait until it answers."""
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        # sshd wants this folder for its half that has no rights.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        config = self.folder / "sshd_config"
        config.write_text(_SSHD.format(port=self.port, folder=self.folder, keys=self.keys))
        with (self.folder / "sshd.log").open("ab") as log:
            self._sshd = subprocess.Popen(
                ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)], stdout=log, stderr=log, close_fds=True
            )
        deadline = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as door:
                    if door.recv(4) == b"SSH-":
                        return
            except OSError:
                pass
            if self._sshd.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"sshd does not start: {(self.folder / 'sshd.log').read_text()[-500:]}")
            time.sleep(0.02)

    def stop_sshd(self) -> None:
        """Stop listening; who is inside stays inside, as with a real one."""
        if self._sshd is not None:
            self._sshd.send_signal(signal.SIGCONT)
            self._sshd.terminate()
            self._sshd.wait(timeout=5)
            self._sshd = None

    def freeze_sshd(self) -> None:
        """Let connections come and nobody answer them."""
        assert self._sshd is not None
        self._sshd.send_signal(signal.SIGSTOP)

    def reboot(self) -> None:
        """Do what a restart does: nothing runs any more, and the driver makes its device files anew."""
        for entry in self.accounts():
            # A login in the making runs as root still.
            title = f"^sshd(-session)?: {entry.pw_name}[ @]"
            subprocess.run(["pkill", "-KILL", "-f", title], capture_output=True, check=False)
            self._kill(entry.pw_uid)
        self.reset_driver()

    # --- seen from outside ------------------------------------------------------------------------

    def accounts(self) -> list[pwd.struct_passwd]:
        """Return the accounts of leases that this machine has now."""
        return [entry for entry in pwd.getpwall() if self.uids[0] <= entry.pw_uid <= self.uids[1]]

    def residue(self, account: str) -> list[str]:
        """Return what of an account is here, in words."""
        found = [f"account {entry.pw_name}" for entry in pwd.getpwall() if entry.pw_name == account]
        places = (self.homes / account, self.keys / account)
        return found + [str(place) for place in places if place.exists()]

    def can_open(self, number: int, uid: int) -> bool:
        """Try to write to a card's device file as a user id."""
        command = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "/bin/sh", "-c"]
        tried = subprocess.run([*command, f"echo x > {self.node(number)}"], capture_output=True, check=False)
        return tried.returncode == 0

    def sweep(self) -> "subprocess.CompletedProcess[str]":
        """Do what the machine's timer does each minute."""
        command = [str(self.program), "sweep", "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def ask(self, request: object) -> Any:
        """Ask the program as the worker's key does, but without ssh."""
        text = request if isinstance(request, str) else json.dumps(request)
        command = [str(self.program), "--config", str(self.config)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        return json.loads(done.stdout)

    def tidy_up(self) -> None:
        """Remove whatever a test has left."""
        for entry in self.accounts():
            self._kill(entry.pw_uid)
            for command in (["userdel", "-f", entry.pw_name], ["groupdel", entry.pw_name]):
                subprocess.run(command, capture_output=True, check=False)
        # The counter of user ids stays: what one test leaves must not look like the next one's.
        for folder in (self.homes, self.state / "leases", self.wipe):
            shutil.rmtree(folder, ignore_errors=True)
        (self.state / "epochs.json").unlink(missing_ok=True)
        self.wipe.mkdir(exist_ok=True)
        self.wipe.chmod(0o1777)
        for file in self.keys.iterdir():
            if file.name != self.account:
                file.unlink()
        self.reset_driver()

    def _kill(self, uid: int) -> None:
        subprocess.run(["pkill", "-KILL", "-U", str(uid)], capture_output=True, check=False)

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)
