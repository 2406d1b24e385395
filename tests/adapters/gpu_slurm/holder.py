"""A holder at a cluster, who types what the lease says and looks whether it works."""

import re
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from subprocess import CompletedProcess

from adapters.contract import Access

Run = Callable[..., "CompletedProcess[str]"]
OVER = {"COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", ""}


class Submitted:
    """A job of the holder's, seen with their own eyes."""

    def __init__(self, holder: "SlurmHolder", number: str) -> None:
        self.holder, self.number = holder, number

    def state(self) -> str:
        """Return what squeue says of it; nothing when it is over and forgotten."""
        return self.holder.run(["squeue", "-h", "-j", self.number, "-o", "%T"], user="root").stdout.strip()

    def alive(self) -> bool:
        return self.state() == "RUNNING"

    def cancel(self) -> None:
        self.holder.run(["scancel", "--quiet", "--signal=KILL", "--full", self.number], user="root")
        self.holder.run(["scancel", "--quiet", self.number], user="root")
        self.wait_until(lambda: self.state() in OVER)

    def wait_until(self, condition: Callable[[], bool], *, within_s: float = 60.0) -> bool:
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


class SlurmHolder:
    """Somebody with an account at the cluster."""

    def __init__(self, run: Run, user: str) -> None:
        self.run, self.user = run, user

    def submit(
        self, command: str, *, more: Sequence[str] = (), user: str = "", script: str = "exec sleep 600"
    ) -> Submitted | str:
        """Type a line that begins with sbatch; return the job, or what Slurm said against it."""
        words = [word for word in shlex.split(command) if word != "job.sh"]
        assert words[0] == "sbatch"
        words += ["--parsable", "-D", "/tmp", "-o", "/dev/null", *more, "--wrap", script]
        said = self.run(words, user=user or self.user)
        number = re.fullmatch(r"(\d+)(;.*)?", said.stdout.strip())
        return Submitted(self, number[1]) if said.returncode == 0 and number else said.stderr

    def can_enter(self, access: Access) -> bool:
        job = self.submit(line_of(access))
        if isinstance(job, str):
            return False
        try:
            return job.wait_until(lambda: job.alive() or job.state() in OVER) and job.alive()
        finally:
            job.cancel()

    @contextmanager
    def session(self, access: Access) -> Iterator[Submitted]:
        job = self.submit(line_of(access))
        assert isinstance(job, Submitted), job
        try:
            assert job.wait_until(job.alive), job.state()
            yield job
        finally:
            job.cancel()


def line_of(access: Access) -> str:
    """Return the line that submits a batch job."""
    return next(way.command for way in access.endpoints if way.label == "Batch job")


def reservation_of(access: Access) -> str:
    """Return the name of the reservation that the holder is told."""
    found = re.search(r"--reservation=(\S+)", line_of(access))
    assert found is not None
    return found[1]
