"""Starts an sshd on a free port of the loopback address, and removes all that it let in."""

import json
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.daemons.sshd.daemon import SshMachine

PROGRAMS = ("sshd", "useradd", "usermod", "userdel", "groupadd", "setfacl", "find", "ipcrm")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_ACCOUNT = "shary-t-"
_NULL = os.makedev(1, 3)

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


class GpuMachine(SshMachine):
    """`with GpuMachine(worker="ssh-ed25519 …", cards=…) as machine: machine.port, machine.host_key`."""

    package = "gpu_ssh"
    program_name = "shary-gpu-host"

    def __init__(self, *, worker: str, cards: Iterable[Any]) -> None:
        super().__init__(worker=worker)
        self._cards = tuple(cards)
        self.account = f"{_ACCOUNT}{os.getpid()}"
        first = self.first_uid(200_000)
        self.uids = (first, first + 999)

    # --- life -------------------------------------------------------------------------------------

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        shutil.rmtree(self.devices, ignore_errors=True)

    def lay_out(self) -> None:
        # Device files work in /dev only: elsewhere they are often switched off.
        self.devices = Path(tempfile.mkdtemp(prefix="shary-", dir="/dev"))
        self.devices.chmod(0o755)
        self.homes = self.folder / "homes"
        self.smi = self.folder / "nvidia-smi"
        self.smi.write_text(_NVIDIA_SMI.format(folder=self.folder))
        self.smi.chmod(0o755)
        self.driver = self.folder / "driver"
        for number, card in enumerate(self._cards):
            (self.driver / "gpus" / card.pci).mkdir(parents=True)
            (self.driver / "gpus" / card.pci / "information").write_text(f"Device Minor: \t {number}\n")
        self.reset_driver()

    def remove_accounts(self) -> None:
        self.tidy_up()

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

    def reboot(self) -> None:
        """Do what a restart does: nothing runs any more, and the driver makes its device files anew."""
        for entry in self.accounts():
            self.end_all(entry.pw_name, entry.pw_uid)
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

    def tidy_up(self) -> None:
        """Remove whatever a test has left."""
        for entry in self.accounts():
            self.end_all(entry.pw_name, entry.pw_uid)
            for command in (["userdel", "-f", entry.pw_name], ["groupdel", entry.pw_name]):
                subprocess.run(command, capture_output=True, check=False)
        # The counter of user ids stays: what one test leaves must not look like the next one's.
        for folder in (self.homes, self.state / "leases"):
            shutil.rmtree(folder, ignore_errors=True)
        (self.state / "epochs.json").unlink(missing_ok=True)
        self.empty_wipe()
        for file in self.keys.iterdir():
            if file.name != self.account:
                file.unlink()
        self.reset_driver()
