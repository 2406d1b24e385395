"""A real sshd on a port of its own, and a machine around it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import asyncssh

from adapters.linux_host.build import build

# sshd trusts keys only below folders that nobody else can write; the temporary folder is not one.
_PLACE = "/var/lib"
_COMMON = """\
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


class SshMachine:
    """A machine whose worker enters with a key that starts one program; `account` is the worker's."""

    package: str
    """The adapter whose host program is installed."""
    program_name: str
    account: str
    sshd_settings = ""
    """What its sshd is told beside what all are."""

    def __init__(self, *, worker: str) -> None:
        self._worker = worker
        self._sshd: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    @staticmethod
    def first_uid(base: int) -> int:
        """Return where the machine's user ids begin: runs beside each other must not take each other's."""
        slot = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        return base + (os.getpid() % 1000) * 1000 + slot * 100_000_000

    # --- life -------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="shary-sshd-", dir=_PLACE))
        self.folder.chmod(0o755)
        try:
            self._lay_out_sshd()
            self.lay_out()
            self.run(
                "useradd", "-o", "-u", "0", "-g", "0", "-M", "-N", "-d", "/", "-s", "/bin/sh", self.account
            )
            self.run("usermod", "-p", "*", self.account)
            self.make_accounts()
            self.start_sshd()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_sshd()
        self.remove_accounts()
        subprocess.run(["userdel", "-f", self.account], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def lay_out(self) -> None:
        """Make what the machine has beside sshd and the program; the program's configuration, too."""
        raise NotImplementedError

    def make_accounts(self) -> None:
        """Make accounts beside the worker's."""

    def remove_accounts(self) -> None:
        """Remove whatever accounts there are beside the worker's, and all that they run."""
        raise NotImplementedError

    def _lay_out_sshd(self) -> None:
        folder = self.folder
        key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key = key.export_public_key().decode().strip()
        (folder / "host_key").touch(mode=0o600)
        (folder / "host_key").write_bytes(key.export_private_key())
        self.program = build(self.package, folder / f"{self.program_name}.pyz")
        self.config = folder / f"{self.program_name}.json"
        self.keys, self.state, self.wipe = folder / "keys", folder / "state", folder / "wipe"
        self.keys.mkdir(mode=0o755)
        self.empty_wipe()
        self.sshd_config = folder / "sshd_config"
        settings = _COMMON.format(port=self.port, folder=folder, keys=self.keys)
        self.sshd_config.write_text(settings + self.sshd_settings)
        forced = f"{self.program} --config {self.config}"
        # The worker is a second name of root, so that its program may do its work without sudo on this machine.
        (self.keys / self.account).write_text(f'restrict,command="{forced}" {self._worker}\n')

    # --- sshd -------------------------------------------------------------------------------------

    def start_sshd(self) -> None:
        """Start it and wait until it answers."""
        # sshd wants this folder for its half that has no rights.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (self.folder / "sshd.log").open("ab") as log:
            self._sshd = subprocess.Popen(
                ["/usr/sbin/sshd", "-D", "-e", "-f", str(self.sshd_config)],
                stdout=log,
                stderr=log,
                close_fds=True,
            )
        deadline = time.monotonic() + 30
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
            self._sshd.wait(timeout=30)
            self._sshd = None

    def freeze_sshd(self) -> None:
        """Let connections come and nobody answer them."""
        assert self._sshd is not None
        self._sshd.send_signal(signal.SIGSTOP)

    # --- the program ------------------------------------------------------------------------------

    def sweep(self) -> "subprocess.CompletedProcess[str]":
        """Do what the machine's timer does each minute."""
        return self._call("sweep")

    def check(self) -> "subprocess.CompletedProcess[str]":
        """Do what the operator does to try the set-up."""
        return self._call("check")

    def ask(self, request: object) -> Any:
        """Ask the program as the worker's key does, but without ssh."""
        text = request if isinstance(request, str) else json.dumps(request)
        return json.loads(self._call(text=text).stdout)

    def _call(self, *command: str, text: str | None = None) -> "subprocess.CompletedProcess[str]":
        words = [str(self.program), *command, "--config", str(self.config)]
        return subprocess.run(words, input=text, capture_output=True, text=True, check=False)

    # --- accounts ---------------------------------------------------------------------------------

    def empty_wipe(self) -> None:
        """Empty the folder that all accounts may write to."""
        shutil.rmtree(self.wipe, ignore_errors=True)
        self.wipe.mkdir(exist_ok=True)
        self.wipe.chmod(0o1777)

    @staticmethod
    def end_all(account: str, uid: int) -> None:
        """Kill all that runs for an account, the logins in the making too, which run as root still."""
        title = f"^sshd(-session)?: {account}[ @]"
        for whose in (["-f", title], ["-U", str(uid)]):
            subprocess.run(["pkill", "-KILL", *whose], capture_output=True, check=False)

    @staticmethod
    def run(*command: str) -> None:
        """Run a command that has to work."""
        subprocess.run(command, check=True, capture_output=True)
