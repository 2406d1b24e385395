"""A switch's control processor, made of an sshd on the loopback address and real accounts of tenants."""

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncssh

from adapters.linux_host.build import build

PROGRAMS = ("sshd", "useradd", "usermod", "userdel", "groupadd", "groupdel", "gpasswd", "find", "ipcrm", "who")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

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
DenyGroups {deny}
MaxStartups 100
LogLevel INFO
"""


def what_is_missing() -> str:
    """Say why this machine cannot be a switch; empty when it can."""
    if os.geteuid() != 0:
        return "Accounts that are let in and kept out by ssh need root."
    absent = [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]
    if absent:
        return f"{', '.join(absent)} missing; install them (`apt-get install openssh-server passwd`)."
    return ""


class SwitchMachine:
    """`with SwitchMachine(worker="ssh-ed25519 …") as switch: switch.port, switch.host_key, switch.tenants`."""

    def __init__(self, *, worker: str) -> None:
        self._worker = worker
        mark = f"{os.getpid() % 100000}"
        self.account = f"shary-w-{mark}"
        """The worker's account: root by another name, since its key starts one program only."""
        self.tenants = [f"shary-a-{mark}", f"shary-b-{mark}"]
        self.group, self.deny = f"shary-g-{mark}", f"shary-d-{mark}"
        slot = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        self.first_uid = 300_000 + (os.getpid() % 1000) * 1000 + slot * 100_000_000
        self._sshd: subprocess.Popen[bytes] | None = None
        self.port = 0

    # --- life -------------------------------------------------------------------------------------

    def __enter__(self) -> "SwitchMachine":
        # sshd trusts keys only below folders that nobody else can write; the temporary folder is not one.
        self.folder = Path(tempfile.mkdtemp(prefix="shary-switch-", dir="/var/lib"))
        self.folder.chmod(0o755)
        try:
            self._lay_out()
            self._make_accounts()
            self._start_sshd()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._sshd is not None:
            self._sshd.terminate()
            self._sshd.wait(timeout=5)
        self._kill_tenants()
        for name in (*self.tenants, self.account):
            subprocess.run(["userdel", "-f", name], capture_output=True, check=False)
        for name in (*self.tenants, self.group, self.deny):
            subprocess.run(["groupdel", name], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _lay_out(self) -> None:
        folder = self.folder
        key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key = key.export_public_key().decode().strip()
        (folder / "host_key").touch(mode=0o600)
        (folder / "host_key").write_bytes(key.export_private_key())
        self.program = build("p4_tofino_ssh", folder / "shary-switch-host.pyz")
        self.keys, self.state, self.wipe = folder / "keys", folder / "state", folder / "wipe"
        self.keys.mkdir(mode=0o755)
        self.wipe.mkdir()
        self.wipe.chmod(0o1777)
        self.image = folder / "image"
        self.config = folder / "shary-switch-host.json"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.sshd_config = folder / "sshd_config"
        self.sshd_config.write_text(_SSHD.format(port=self.port, folder=folder, keys=self.keys, deny=self.deny))
        self.configure()
        forced = f"{self.program} --config {self.config}"
        (self.keys / self.account).write_text(f'restrict,command="{forced}" {self._worker}\n')

    def configure(self, **changes: Any) -> None:
        """Write the switch's configuration."""
        values = {
            "tenants": self.group,
            "deny": self.deny,
            "keys": f"{self.keys}/{{account}}",
            "programs": [f"bfsw{self.first_uid % 1000000}"],
            "restore": ["/bin/sh", "-c", f"echo known > {self.image}"],
            "looks": [{"name": "known image", "command": ["cat", str(self.image)], "expect": "known"}],
            "sshd": ["/usr/sbin/sshd", "-T", "-f", str(self.sshd_config)],
            "state": str(self.state),
            "wipe": [str(self.wipe), "/dev/shm", "/var/spool/cron"],
        }
        self.config.write_text(json.dumps(values | changes))

    def _make_accounts(self) -> None:
        self._run("useradd", "-o", "-u", "0", "-g", "0", "-M", "-N", "-d", "/", "-s", "/bin/sh", self.account)
        self._run("usermod", "-p", "*", self.account)
        for group in (self.group, self.deny):
            self._run("groupadd", group)
        for number, name in enumerate(self.tenants):
            home = self.folder / f"home-{name}"
            uid = str(self.first_uid + number)
            self._run("useradd", "-u", uid, "-m", "-d", str(home), "-s", "/bin/sh", "-G", self.group, name)
            self._run("usermod", "-p", "*", name)

    def _start_sshd(self) -> None:
        # sshd wants this folder for its half that has no rights.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (self.folder / "sshd.log").open("ab") as log:
            self._sshd = subprocess.Popen(
                ["/usr/sbin/sshd", "-D", "-e", "-f", str(self.sshd_config)], stdout=log, stderr=log
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

    # --- seen from outside ------------------------------------------------------------------------

    def uid_of(self, tenant: str) -> int:
        """Return the account's user id."""
        return pwd.getpwnam(tenant).pw_uid

    def is_denied(self, tenant: str) -> bool:
        """Say whether the account is in the group that sshd refuses."""
        shown = subprocess.run(["id", "-nG", tenant], capture_output=True, text=True, check=True)
        return self.deny in shown.stdout.split()

    def record(self) -> dict[str, Any] | None:
        """Return what the switch remembers of its last lease."""
        file = self.state / "lease.json"
        return json.loads(file.read_text()) if file.exists() else None

    def residue(self, lease_id: str) -> list[str]:
        """Return what of a lease is here, in words."""
        found = self.record()
        mine = found is not None and found["lease"] == lease_id and found["phase"] != "gone"
        keys = [str(file) for file in self.keys.iterdir() if file.name in self.tenants]
        return [f"lease {found['phase']}", *keys] if mine and found else []

    def sweep(self) -> "subprocess.CompletedProcess[str]":
        """Do what the switch's timer does each minute."""
        command = [str(self.program), "sweep", "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def check(self) -> "subprocess.CompletedProcess[str]":
        """Do what the operator does to try the set-up."""
        command = [str(self.program), "check", "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def ask(self, request: object) -> Any:
        """Ask the program as the worker's key does, but without ssh."""
        text = request if isinstance(request, str) else json.dumps(request)
        command = [str(self.program), "--config", str(self.config)]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        return json.loads(done.stdout)

    def start_as(self, tenant: str, *command: str) -> "subprocess.Popen[bytes]":
        """Have the tenant run something that outlives their login."""
        uid = str(self.uid_of(tenant))
        as_tenant = ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "--"]
        return subprocess.Popen([*as_tenant, *command], stdin=subprocess.DEVNULL, start_new_session=True)

    def tidy_up(self) -> None:
        """Remove whatever a test has left."""
        self._kill_tenants()
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.rmtree(self.wipe, ignore_errors=True)
        self.image.unlink(missing_ok=True)
        self.wipe.mkdir(exist_ok=True)
        self.wipe.chmod(0o1777)
        for tenant in self.tenants:
            (self.keys / tenant).unlink(missing_ok=True)
            subprocess.run(["gpasswd", "-a", tenant, self.deny], capture_output=True, check=False)
            subprocess.run(["gpasswd", "-a", tenant, self.group], capture_output=True, check=False)
        self.configure()

    def _kill_tenants(self) -> None:
        for number in range(len(self.tenants)):
            command = ["pkill", "-KILL", "-U", str(self.first_uid + number)]
            subprocess.run(command, capture_output=True, check=False)

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)
