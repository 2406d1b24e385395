"""The emulator says what the real daemons say, to the same lines typed in the same order."""

import os
import subprocess
import sys
import threading

import pytest

from adapters.emulators.slurm.nouns import Refusal
from tests.adapters.gpu_slurm.conftest import OLD, emulator

NEW_RESERVATION = "scontrol create reservation StartTime=now Duration=60 Flags=STATIC_ALLOC Users=root "
LINES = [
    ("root", "scontrol -o show reservation"),
    ("root", "scontrol show reservation nosuch"),
    ("root", NEW_RESERVATION + "ReservationName=a Nodes=gpu1"),
    ("root", NEW_RESERVATION + "ReservationName=a Nodes=gpu2"),
    ("root", NEW_RESERVATION + "ReservationName=b Nodes=gpu1"),
    ("root", NEW_RESERVATION + "ReservationName=b Nodes=gpu1 CoreCnt=1"),
    ("root", NEW_RESERVATION + "ReservationName=b Nodes=nosuch"),
    ("root", NEW_RESERVATION + "ReservationName=b Nodes=gpu2 CoreCnt=2"),
    ("root", NEW_RESERVATION + "ReservationName=c Nodes=gpu2 CoreCnt=2"),
    ("root", NEW_RESERVATION + "ReservationName=d Nodes=gpu2 CoreCnt=1"),
    ("root", NEW_RESERVATION + "ReservationName=d Nodes=gpu2"),
    ("root", NEW_RESERVATION + "ReservationName=e Nodes=cpu1 Comment=x"),
    ("root", NEW_RESERVATION + "ReservationName=e TRES=gres/gpu=1"),
    ("root", NEW_RESERVATION + "ReservationName=e Nodes=cpu1 Frobnicate=1"),
    ("root", NEW_RESERVATION + "ReservationName=e Nodes=cpu1 Users=nosuch"),
    ("root", NEW_RESERVATION.replace("=root", "=nosuch") + "ReservationName=e Nodes=cpu1"),
    ("games", NEW_RESERVATION + "ReservationName=e Nodes=cpu1"),
    ("root", "scontrol create reservation StartTime=2020-01-01T00:00:00 Duration=60 Users=root "
             "ReservationName=e Nodes=cpu1"),
    ("root", "scontrol create reservation StartTime=now Duration=60 Users=root ReservationName=l "
             "Licenses=h100:2 Flags=ANY_NODES"),
    ("root", "scontrol create reservation StartTime=now Duration=60 Users=root ReservationName=m "
             "Licenses=h100:1 Flags=ANY_NODES"),
    ("root", "scontrol create reservation StartTime=now Duration=60 Users=root ReservationName=m "
             "Licenses=nosuch:1 Flags=ANY_NODES"),
    ("root", "scontrol -o show lic"),
    ("root", "scontrol update ReservationName=nosuch Users=games"),
    ("root", "scontrol update ReservationName=a Users=nosuch"),
    ("root", "scontrol update ReservationName=a Users= Accounts="),
    ("root", "scontrol update ReservationName=a EndTime=2020-01-01T00:00:00"),
    ("root", "scontrol update ReservationName=a StartTime=now+10minutes"),
    ("games", "scontrol update ReservationName=a Users=games"),
    ("games", "sbatch --parsable --reservation=a -D /tmp -o /dev/null --wrap true job.sh"),
    ("games", "sbatch --parsable --reservation=nosuch -D /tmp -o /dev/null --wrap true"),
    ("games", "sbatch --parsable --gres=gpu:nosuch:1 -D /tmp -o /dev/null --wrap true"),
    ("games", "sbatch --parsable --gres=gpu:a100:3 -D /tmp -o /dev/null --wrap true"),
    ("games", "sbatch --parsable -L nosuch:1 -D /tmp -o /dev/null --wrap true"),
    ("root", "scontrol update ReservationName=a Users=games Accounts="),
    ("games", "scontrol delete ReservationName=a"),
    ("root", "scontrol delete ReservationName=nosuch"),
    ("root", "scancel --quiet 99999"),
    ("root", "scontrol delete ReservationName=a"),
]  # fmt: skip


def said_by(cluster):
    """Return what is said to each line: the status, and the words without what names program or place."""
    heard = []
    for user, line in LINES:
        answer = cluster.run(line.removesuffix(" job.sh").split(), user=user)
        words = answer.err if hasattr(answer, "err") else answer.stderr
        heard.append((line, answer.returncode, words.strip().splitlines()[:1], answer.stdout.strip()))
    return heard


def test_the_emulator_says_what_slurm_says(slurm_cluster):
    slurm_cluster.empty()
    try:
        real = said_by(slurm_cluster)
    finally:
        slurm_cluster.empty()
    with emulator(OLD) as slurm:
        assert said_by(slurm) == real


def test_a_reservation_ends_by_itself_and_its_jobs_with_it():
    with emulator(OLD) as slurm:
        words = ["ReservationName=a", "StartTime=now", "Duration=60", "Users=games", "Nodes=gpu1"]
        assert slurm.run(["scontrol", "create", "reservation", *words]).returncode == 0
        slurm.run(["sbatch", "--reservation=a", "-t", "600", "--wrap", "true"], user="games")
        assert slurm.run(["squeue", "-h", "-o", "%T %N"]).stdout == "RUNNING gpu1\n"

        with slurm.cluster.lock:
            slurm.cluster.reservations["a"].end = 1
            slurm.cluster.tick()

        assert slurm.cluster.reservations == {}
        assert [job.state for job in slurm.cluster.jobs.values()] == ["COMPLETING"]


def test_two_who_reserve_at_once_do_not_both_get_it():
    with emulator(OLD) as slurm:
        codes = []

        def reserve(name):
            words = [f"ReservationName={name}", "StartTime=now", "Duration=60", "Users=root", "Nodes=gpu1"]
            codes.append(slurm.run(["scontrol", "create", "reservation", *words]).returncode)

        threads = [threading.Thread(target=reserve, args=(f"r{number}",)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(codes) == [0, 1, 1, 1, 1, 1]


def test_a_job_of_another_is_not_cancelled():
    with emulator(OLD) as slurm:
        slurm.run(["sbatch", "--wrap", "true"], user="games")
        with pytest.raises(Refusal, match="permission denied"):
            slurm.cluster.cancel(1, caller="daemon", kill=False)


def test_it_runs_as_a_program_and_keeps_its_state(tmp_path):
    command = [sys.executable, "-m", "adapters.emulators.slurm", "--state", str(tmp_path / "state.json")]
    command += ["--node", "h100-node=h100:4", "--user", "rossi", "--licence", "h100-node-h100-0:1"]
    environment = {"PATH": os.defpath, "TZ": "Europe/Rome"}

    def scontrol(*words):
        program = str(tmp_path / "bin" / "scontrol")
        return subprocess.run(
            [program, *words], env=environment, capture_output=True, text=True, check=True
        ).stdout

    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline().startswith("Slurm emulator ready at 127.0.0.1:")
            if "ReservationName" not in scontrol("-o", "show", "reservation"):
                words = ["ReservationName=a", "StartTime=now", "Duration=60", "Users=rossi", "Nodes=h100-node"]
                scontrol("create", "reservation", *words)
                first = scontrol("-o", "show", "reservation")
            shown = scontrol("-o", "show", "reservation")
            process.terminate()
            assert process.wait(timeout=60) == 0
    assert shown == first
    assert "Users=rossi" in shown
