"""The adapter on a real kernel that has virtual functions, devlink and a switch: netdevsim in a virtual machine."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SETTINGS = {
    "card": "eth0",
    "pci": "netdevsim1",
    "eswitch": "legacy",
    "holder_host": "nic1.uni-a.example",
    "unreported": [],
}
PREPARE = """
set -e
echo "1 2" > /sys/bus/netdevsim/new_device
echo 4 > /sys/bus/netdevsim/devices/netdevsim1/sriov_numvfs
ip link set eth0 up
cd {root}
export PYTHONDONTWRITEBYTECODE=1 PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 TMPDIR=/run HOME=/run
"""
PYTEST = (
    "-q -c /dev/null --rootdir={root} --confcutdir={root} -p no:cacheprovider "
    "-W error -W ignore::pytest.PytestUnknownMarkWarning"
)

pytestmark = [pytest.mark.vm, pytest.mark.timeout(900)]


def in_the_guest(machine, work: Path, commands: str) -> tuple[int, str]:
    script = PREPARE.format(root=ROOT) + commands
    status, said = machine.run(script, work=work, timeout_s=800)
    print(said)
    return status, said


@pytest.mark.parametrize("vf", [2, None], ids=["a function", "the whole card"])
def test_the_promises_hold_on_a_real_kernel(machine, tmp_path, vf):
    settings = json.dumps(SETTINGS | ({} if vf is None else {"vf": vf}))
    status, said = in_the_guest(
        machine,
        tmp_path,
        f"export SHARY_TEST_SRIOV='{settings}'\n"
        f"{sys.executable} -m pytest {PYTEST.format(root=ROOT)} tests/adapters/smart_nic_sriov/test_real_card.py\n",
    )

    assert status == 0, said
    assert "passed" in said


def test_what_iproute2_and_devlink_show_is_what_the_lease_says(machine, tmp_path):
    status, said = in_the_guest(
        machine, tmp_path, f"{sys.executable} -m tests.vm.sriov.walk '{json.dumps(SETTINGS | {'vf': 1})}'\n"
    )

    assert status == 0, said
    assert "All as it should be." in said
