"""What others do at a cluster: reservations, jobs, nodes that are taken out of service."""

from contextlib import contextmanager

from tests.adapters.gpu_slurm.holder import SlurmHolder, Submitted


def shown(cluster, name=""):
    """Return what scontrol shows of a reservation, or of all."""
    said = cluster.run(["scontrol", "-o", "show", "reservation", *([name] if name else [])]).stdout
    return "" if "No reservations" in said else said


def reserve(cluster, name, **more):
    """Make somebody else's reservation."""
    values = {"StartTime": "now", "Duration": "60", "Users": "root", "Flags": "STATIC_ALLOC"} | more
    words = [f"{key}={value}" for key, value in values.items()]
    said = cluster.run(["scontrol", "create", "reservation", f"ReservationName={name}", *words])
    assert said.returncode == 0, said.stderr


@contextmanager
def running_job(cluster, *words, user="daemon"):
    """Let somebody's job run."""
    job = SlurmHolder(cluster.run, user).submit("sbatch job.sh", more=words)
    assert isinstance(job, Submitted), job
    assert job.wait_until(job.alive)
    yield job
    job.cancel()


@contextmanager
def node_in(cluster, state, reason):
    """Take gpu1 out of service for a while."""
    assert (
        cluster.run(["scontrol", "update", "NodeName=gpu1", f"State={state}", f"Reason={reason}"]).returncode
        == 0
    )
    yield
    assert cluster.run(["scontrol", "update", "NodeName=gpu1", "State=RESUME"]).returncode == 0
