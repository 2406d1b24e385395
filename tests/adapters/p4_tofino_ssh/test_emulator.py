"""The emulated switch by itself, as the quickstart starts it."""

import subprocess
import sys

from adapters.emulators.p4_tofino_ssh import TofinoEmulator
from adapters.emulators.p4_tofino_ssh.system import KNOWN_IMAGE


def test_it_starts_from_the_command_line_and_ends_when_told(tmp_path, worker_key):
    trusted = tmp_path / "worker.pub"
    trusted.write_bytes(worker_key.export_public_key())
    command = [sys.executable, "-m", "adapters.emulators.p4_tofino_ssh", "--trust", str(trusted)]
    command += ["--tenant", "tenant-a", "--certificate", str(tmp_path), "--state", str(tmp_path / "state.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "1 tenants" in process.stdout.readline()
        process.terminate()
    assert process.returncode == 0
    assert (tmp_path / "ssh_host_key.pub").exists()


def test_who_holds_it_and_what_it_carries_outlives_a_restart(tmp_path, worker_key):
    wishes = {
        "trust": [worker_key.export_public_key().decode()],
        "tenants": ["tenant-a"],
        "folder": tmp_path,
        "state": tmp_path / "state.json",
    }
    with TofinoEmulator(**wishes) as switch:
        switch._switch.prepare(
            lease="one", epoch=1, account="tenant-a", ends_at=switch.system.now().replace(year=2100)
        )
        switch._switch.open(lease="one", epoch=1, keys=())
        key = switch.host_key
    with TofinoEmulator(**wishes) as switch:
        assert switch.host_key == key
        assert switch._switch.observe()["lease"]["is_open"]
        assert switch.system.image != KNOWN_IMAGE
        switch._switch.clean(lease="one", epoch=1)
        assert switch.system.image == KNOWN_IMAGE


def test_it_ends_a_lease_by_itself(emulator):
    emulator._switch.prepare(lease="one", epoch=1, account="tenant-a", ends_at=emulator.system.now())

    assert emulator.sweep() == []

    assert emulator.lease().phase == "closed"
    assert emulator.system.is_denied("tenant-a")
