"""The daemon of the tests leaves a machine as it found it."""

import subprocess
from pathlib import Path

import pytest

from adapters.emulators.lxd import self_signed
from tests.daemons.lxd import LxdDaemon, what_is_missing
from tests.lacking import give_up


def traces(folder: str) -> list[str]:
    """Return what of a daemon is to be seen on this machine."""
    found = [f"folder {folder}"] if Path(folder).exists() else []
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if folder in line]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if folder.encode() in (process / "environ").read_bytes() + (process / "cmdline").read_bytes():
                found.append(f"process {process.name}")
        except OSError:
            continue
    return found


def links() -> dict[str, str]:
    """The network cards of this machine: the number of each, by its name; a name may come again, a number not."""
    listed = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(":") for line in listed.splitlines()]
    return {row[1].split("@")[0].strip(): row[0] for row in rows}


def groups() -> set[str]:
    return {str(path) for path in Path("/sys/fs/cgroup").rglob("*shary-lxd*")} | {
        str(path) for path in Path("/sys/fs/cgroup").rglob("*.box")
    }


@pytest.fixture
def machine() -> None:
    missing = what_is_missing()
    if missing:
        give_up(missing)


def test_a_daemon_that_is_ended_in_the_middle_of_its_work_leaves_nothing(machine: None) -> None:
    before = set(Path("/dev").glob("nvidia*"))
    with LxdDaemon(trust={"operator": self_signed("operator").certificate}) as daemon:
        folder, link = str(daemon.folder), daemon.link
        daemon.inside("lxc", "network", "create", "lxdbr0", "ipv4.address=10.98.0.1/24", "ipv6.address=none")
        daemon.inside("lxc", "launch", daemon.image, "box", "--network", "lxdbr0", "--quiet")
        number = links()[link]
        assert len(traces(folder)) > 3
        assert groups()

    assert traces(folder) == []
    assert number not in links().values()
    assert {group for group in groups() if Path(folder).name in group or group.endswith(".box")} == set()
    assert set(Path("/dev").glob("nvidia*")) == before
