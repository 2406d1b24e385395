"""A script that does what their cron does each minute, against a server that listens."""

import shutil
import subprocess

import pytest

CRON = r"""
code=$(curl -s -w "%{http_code}" -o "$2" "$1/api/active_reservations?target=$3") || exit 1
[ "$code" = 200 ] || { echo "answer $code"; exit 1; }
answer=$(cat "$2")
if [ "$answer" = "[]" ] || [ -z "$answer" ]; then echo "nobody"; exit 0; fi
echo "$answer" | "$4" -c 'import json, sys; [print(r["username"], r["to"]) for r in json.load(sys.stdin)]' 2>/dev/null
"""


@pytest.fixture
def run_cron(live_server, tmp_path):
    import sys

    if shutil.which("curl") is None:
        pytest.fail("curl is missing; install it (`apt-get install curl`).")

    def run(dashboard, target):
        command = [
            "bash",
            "-c",
            CRON,
            "cron",
            f"{live_server.url}{dashboard}",
            str(tmp_path / "active"),
            target,
        ]
        done = subprocess.run(
            [*command, sys.executable], capture_output=True, text=True, timeout=30, check=False
        )
        return done.returncode, done.stdout.strip()

    return run


@pytest.mark.django_db(transaction=True)
def test_their_cron_learns_who_has_the_switch_now(run_cron, make_switch, hold, make_feed):
    lease = hold(make_switch())
    make_switch("rest-bfsw02")
    _, dashboard = make_feed()

    status, said = run_cron(dashboard, "rest-bfsw01.polito.it")
    assert (status, said.split()[0]) == (0, "tenant-a")
    assert f"{lease.ends_at:%M:%S}.000" in said
    assert run_cron(dashboard, "rest-bfsw02") == (0, "nobody")
    assert run_cron(dashboard + "x", "rest-bfsw01") == (1, "answer 404")
    assert run_cron(dashboard, "")[1] == ""
