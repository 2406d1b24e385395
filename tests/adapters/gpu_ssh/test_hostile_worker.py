"""A worker's key in the wrong hands: it can lend and take back cards, and nothing else on the machine."""

import asyncio
import json
import subprocess

import asyncssh
import pytest

from adapters.gpu_ssh.host.lease import account_for
from tests.adapters.gpu_ssh.conftest import H100

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ5dGVzdGJ5dGVzdGJ5dGVzdGJ5dGVzdGJ5dGVzdA"
ORDER = {
    "protocol": 1,
    "verb": "prepare",
    "lease": "lease-1",
    "epoch": 1,
    "resource": "h100",
    "cards": [H100],
    "ends_at": "2100-01-01T00:00:00+00:00",
}
OPEN = {"protocol": 1, "verb": "open", "lease": "lease-1", "epoch": 1, "cards": [H100]}


@pytest.fixture
def ask(emulator):
    return lambda request: json.loads(
        emulator._answer(request if isinstance(request, str) else json.dumps(request))
    )


@pytest.mark.parametrize(
    "change",
    [
        {"lease": "root"} | {"account": "root"},
        {"lease": "../../etc/passwd"},
        {"lease": "a; touch /tmp/owned"},
        {"lease": "$(reboot)"},
        {"lease": "a\nb"},
        {"lease": "-rf"},
        {"lease": ""},
        {"lease": ["a"]},
        {"lease": "a" * 81},
        {"resource": "x\ny"},
        {"epoch": "1"},
        {"epoch": -1},
        {"epoch": True},
        {"epoch": 2**64},
        {"cards": []},
        {"cards": ["/dev/sda"]},
        {"cards": [f"{H100}; reboot"]},
        {"cards": [[H100]]},
        {"cards": H100},
        {"cards": [H100] * 100},
        {"ends_at": "tomorrow"},
        {"ends_at": "2100-01-01T00:00:00"},
        {"uid": 0},
        {"keys": [KEY]},
        {"verb": "sweep"},
        {"verb": "exec"},
        {"verb": ["prepare"]},
        {"verb": None},
    ],
)
def test_a_request_that_is_not_quite_one_is_refused_and_makes_nothing(ask, emulator, change):
    answer = ask(ORDER | change)

    assert answer["problem"] == "refused", answer
    assert emulator.changes() == 0


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "no JSON", '"prepare"', "[" * 100_000, " " * 300_000],
    ids=["nothing", "null", "list", "words", "text", "deep", "long"],
)
def test_what_is_no_request_is_refused(ask, emulator, text):
    assert ask(text)["problem"] == "refused"
    assert emulator.changes() == 0


@pytest.mark.parametrize(
    "key",
    [
        f'command="/bin/sh" {KEY}',
        f'environment="LD_PRELOAD=/tmp/x" {KEY}',
        f"cert-authority {KEY}",
        f"{KEY}\nssh-ed25519 {'A' * 60}",
        f"{KEY} a\rb",
        f" {KEY}",
        "ssh-dss AAAAB3NzaC1kc3MAAACBAJ5dGVzdGJ5dGVzdA==",
        "",
        None,
        {"key": KEY},
    ],
)
def test_a_key_that_says_more_than_a_key_lets_nobody_in(ask, emulator, key):
    assert "problem" not in ask(ORDER)

    assert ask(OPEN | {"keys": [key]})["problem"] == "refused"
    assert emulator.system.way_in(account_for("lease-1")) is None


def test_a_card_that_the_machine_does_not_offer_is_not_lent(ask, emulator):
    answer = ask(ORDER | {"cards": ["0000:00:02.0"]})

    assert answer["problem"] == "invalid"
    assert "does not offer" in answer["message"]


# --- over the wire, on a real sshd ------------------------------------------------------------------


def try_everything(port, account, key):
    """Return what a client gets that asks the real sshd for more than the one program."""

    async def attempts():
        async with asyncssh.connect(
            "127.0.0.1",
            port,
            username=account,
            client_keys=[key],
            known_hosts=None,
            config=None,
            agent_path=None,
        ) as connection:
            got = {}
            for name, command in {
                "another command": "id",
                "a way out of the command": "x; id >&2 #",
                "another verb": "/usr/bin/env shary-gpu-host sweep",
                "a shell": None,
            }.items():
                done = await connection.run(command, input="\n", timeout=20)
                got[name] = done.stdout + done.stderr
            for name, attempt in {
                "a terminal": lambda: connection.create_process(term_type="xterm"),
                "a tunnel": lambda: connection.open_connection("127.0.0.1", port),
                "a listener": lambda: connection.forward_remote_port("", 0, "127.0.0.1", port),
            }.items():
                try:
                    await asyncio.wait_for(attempt(), 10)
                    got[name] = "granted"
                except (asyncssh.Error, asyncssh.ChannelListenError, OSError) as error:
                    got[name] = type(error).__name__
            return got

    return asyncio.run(attempts())


def test_the_workers_key_starts_one_program_whatever_it_asks_for(real, worker_key):
    got = try_everything(real.port, real.account, worker_key)

    for name in ("another command", "a way out of the command", "another verb", "a shell"):
        assert json.loads(got[name])["problem"] == "refused", got[name]
    assert got["a terminal"] != "granted"
    assert got["a tunnel"] != "granted"
    assert got["a listener"] != "granted"


def test_other_accounts_of_the_machine_cannot_be_named_touched_or_opened(real):
    # The nearest one can come: an account with the very name that a lease has, but not made for it.
    victim = account_for("lease-1")
    subprocess.run(["useradd", "-u", str(real.uids[1]), "-M", "-c", "SHARY lease another", victim], check=True)
    running = subprocess.Popen(["setpriv", "--reuid", str(real.uids[1]), "--clear-groups", "sleep", "60"])
    try:
        for request in (
            ORDER,
            OPEN | {"keys": [KEY]},
            *({"protocol": 1, "verb": verb, "lease": "lease-1", "epoch": 9} for verb in ("close", "clean")),
        ):
            real.ask(request)

        assert running.poll() is None
        assert [entry.pw_gecos for entry in real.accounts()] == ["SHARY lease another"]
        assert not (real.keys / victim).exists()
    finally:
        running.kill()
        running.wait()
