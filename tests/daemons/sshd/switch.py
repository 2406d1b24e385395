"""A switch's control processor, made of an sshd on the loopback address and real accounts of tenants."""

import json
import os
import pwd
import shutil
import subprocess
from typing import Any

from tests.daemons.sshd.daemon import SshMachine

PROGRAMS = ("sshd", "useradd", "usermod", "userdel", "groupadd", "groupdel", "gpasswd", "find", "ipcrm", "who")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def what_is_missing() -> str:
    """Say why this machine cannot be a switch; empty when it can."""
    if os.geteuid() != 0:
        return "Accounts that are let in and kept out by ssh need root."
    absent = [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]
    if absent:
        return f"{', '.join(absent)} missing; install them (`apt-get install openssh-server passwd`)."
    return ""


class SwitchMachine(SshMachine):
    """`with SwitchMachine(worker="ssh-ed25519 …") as switch: switch.port, switch.host_key, switch.tenants`."""

    package = "p4_tofino_ssh"
    program_name = "shary-switch-host"

    def __init__(self, *, worker: str) -> None:
        super().__init__(worker=worker)
        mark = f"{os.getpid() % 100000}"
        self.account = f"shary-w-{mark}"
        self.tenants = [f"shary-a-{mark}", f"shary-b-{mark}"]
        self.group, self.deny = f"shary-g-{mark}", f"shary-d-{mark}"
        self.sshd_settings = f"DenyGroups {self.deny}\n"
        self.uids = {name: self.first_uid(300_000) + number for number, name in enumerate(self.tenants)}
        self.control_program = f"bfsw{self.first_uid(0) % 1000000}"
        """What the tenant's control program is called, so that no other run's is ended."""

    # --- life -------------------------------------------------------------------------------------

    def lay_out(self) -> None:
        self.image = self.folder / "image"
        self.configure()

    def make_accounts(self) -> None:
        for group in (self.group, self.deny):
            self.run("groupadd", group)
        for name, uid in self.uids.items():
            home = str(self.folder / f"home-{name}")
            self.run("useradd", "-u", str(uid), "-m", "-d", home, "-s", "/bin/sh", "-G", self.group, name)
            self.run("usermod", "-p", "*", name)

    def remove_accounts(self) -> None:
        self._end_tenants()
        for name in self.tenants:
            subprocess.run(["userdel", "-f", name], capture_output=True, check=False)
        for name in (*self.tenants, self.group, self.deny):
            subprocess.run(["groupdel", name], capture_output=True, check=False)

    def configure(self, **changes: Any) -> None:
        """Write the switch's configuration."""
        values = {
            "tenants": self.group,
            "deny": self.deny,
            "keys": f"{self.keys}/{{account}}",
            "programs": [self.control_program],
            "restore": ["/bin/sh", "-c", f"echo known > {self.image}"],
            "looks": [{"name": "known image", "command": ["cat", str(self.image)], "expect": "known"}],
            "sshd": ["/usr/sbin/sshd", "-T", "-f", str(self.sshd_config)],
            "state": str(self.state),
            "wipe": [str(self.wipe), "/dev/shm", "/var/spool/cron"],
        }
        self.config.write_text(json.dumps(values | changes))

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

    def start_as(self, tenant: str, *command: str) -> "subprocess.Popen[bytes]":
        """Have the tenant run something that outlives their login."""
        uid = str(self.uid_of(tenant))
        as_tenant = ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "--"]
        return subprocess.Popen([*as_tenant, *command], stdin=subprocess.DEVNULL, start_new_session=True)

    def tidy_up(self) -> None:
        """Remove whatever a test has left."""
        self._end_tenants()
        shutil.rmtree(self.state, ignore_errors=True)
        self.image.unlink(missing_ok=True)
        self.empty_wipe()
        for tenant in self.tenants:
            (self.keys / tenant).unlink(missing_ok=True)
            subprocess.run(["gpasswd", "-a", tenant, self.deny], capture_output=True, check=False)
            subprocess.run(["gpasswd", "-a", tenant, self.group], capture_output=True, check=False)
        self.configure()

    def _end_tenants(self) -> None:
        for name, uid in self.uids.items():
            self.end_all(name, uid)
