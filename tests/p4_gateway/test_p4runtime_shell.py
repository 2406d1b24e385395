"""p4runtime-shell, the usual client, unchanged and in an environment of its own: `make test-p4-shell`."""

import os
import shlex
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.contract import Access, Holder, LeaseOrder
from adapters.emulators.p4runtime import P4RuntimeEmulator, example
from adapters.p4_switch.adapter import P4Switch
from tests.adapters.emulators.p4runtime.controller import Controller
from tests.adapters.p4_switch.conftest import example_artefacts, target_at
from tests.lacking import give_up

PYTHON = Path(__file__).parents[2] / ".venv-p4shell" / "bin" / "python"
WRITE_AND_READ = """
te = table_entry["Forward.mac"](action="Forward.send")
te.match["hdr.ethernet.dst"] = "02:00:00:00:00:01"
te.action["port"] = "3"
te.insert()
print("READ", [e.match["hdr.ethernet.dst"].exact.value for e in table_entry["Forward.mac"].read()])
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]
Shell = Callable[..., str]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    if not PYTHON.exists():
        give_up("p4runtime-shell is not installed: `make test-p4-shell` does that")

    def run(command: str, typed: str, *more: str) -> str:
        words = shlex.split(command)
        assert words[:3] == ["python", "-m", "p4runtime_sh"]
        done = subprocess.run(
            [str(PYTHON), *words[1:], *more],
            input=typed,
            cwd=tmp_path,
            env={**os.environ, "IPYTHONDIR": str(tmp_path / "ipython"), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    return run


def begin(secrets_of, switch: P4RuntimeEmulator, **settings: object) -> tuple[P4Switch, LeaseOrder, Access]:
    """Start a lease as a site's worker does."""
    adapter = P4Switch(secrets=secrets_of({"gateway": str(settings.pop("socket", ""))}))
    now = datetime.now(UTC)
    order = LeaseOrder(
        lease_id="3f6c8f7e-0000-4000-8000-000000000001",
        epoch=7,
        revision=1,
        target=target_at(switch.address, **settings),
        covers=(),
        holder=Holder(username="researcher@uni-a.example", project="testbed"),
        starts_at=now - timedelta(seconds=1),
        ends_at=now + timedelta(hours=1),
        artefacts=example_artefacts(),
    )
    access = adapter.provision(order)
    adapter.admit(order)
    return adapter, order, access


def entries_on(switch: P4RuntimeEmulator) -> int:
    with Controller(switch.address) as site:
        return len(site.read())


def test_the_command_of_the_access_page_works_through_the_gateway(shell, tmp_path, gateway, secrets_of):
    with P4RuntimeEmulator() as switch:
        adapter, order, access = begin(
            secrets_of, switch, gateway_secret="gateway", socket=gateway.config.control_socket
        )
        for file in access.files:
            (tmp_path / file.name).write_text(file.content)
        command = access.endpoints[0].command

        said = shell(command, WRITE_AND_READ)
        assert r"READ [b'\x02\x00\x00\x00\x00\x01']" in said, said
        assert entries_on(switch) == 1

        # Pushing a program of one's own, which the shell does without a cookie.
        said = shell(command, WRITE_AND_READ, "--config", f"{example.P4INFO},{example.DEVICE_CONFIG}")
        assert r"READ [b'\x02\x00\x00\x00\x00\x01']" in said, said

        adapter.isolate(order)
        heard = switch.heard()
        said = shell(command, WRITE_AND_READ)
        assert "READ" not in said
        assert switch.heard() == heard
        assert adapter.release(order).is_clean


@pytest.mark.parametrize("personality", ["spec", "bmv2"])
def test_the_command_of_the_access_page_works_at_the_switch_itself(shell, secrets_of, personality):
    with P4RuntimeEmulator(personality=personality) as switch:
        adapter, order, access = begin(secrets_of, switch)
        said = shell(access.endpoints[0].command, WRITE_AND_READ)
        assert r"READ [b'\x02\x00\x00\x00\x00\x01']" in said, said
        assert entries_on(switch) == 1
        assert adapter.release(order).is_clean
