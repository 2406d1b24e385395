"""A cluster, an adapter that knows it, and somebody with an account there."""

import itertools
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.contract import Holder, LeaseOrder, Secrets, Target
from adapters.emulators.slurm import SlurmEmulator
from adapters.gpu_slurm.adapter import GpuSlurm
from tests.adapters.gpu_slurm.holder import SlurmHolder
from tests.daemons.slurm.fixtures import slurm_cluster

__all__ = ["slurm_cluster"]

RESEARCHER, COLLEAGUE = "researcher@uni-a.example", "colleague@uni-b.example"
USERS = {RESEARCHER: "games", COLLEAGUE: "daemon"}


SHARED = {"users": USERS, "login_host": "login.uni-a.example", "gres": "gpu:h100:1", "nodes": ["gpu1"]}
OLD, NEW = "22.05.8", "25.05.3"


@pytest.fixture
def secrets(secrets_of: Callable[..., Secrets]) -> Secrets:
    return secrets_of({"slurm.token": "let-me-in"})


def emulator(version: str) -> SlurmEmulator:
    return SlurmEmulator(version=version, tokens={"let-me-in": "root"})


def settings_of(cluster: Any, **overlay: Any) -> dict[str, Any]:
    """Return how an adapter reaches a cluster, emulated or real, by commands."""
    emulated = isinstance(cluster, SlurmEmulator)
    reach = {"slurm_conf": str(cluster.conf), "bin_dir": str(cluster.bin_dir) if emulated else ""}
    patience = {"timeout_s": 1.0, "settle_s": 1.0} if emulated else {"timeout_s": 10.0, "settle_s": 15.0}
    return {**SHARED, **reach, **patience, **overlay}


def rest_settings_of(cluster: Any, **overlay: Any) -> dict[str, Any]:
    """Return how an adapter reaches an emulated cluster by slurmrestd."""
    reach = {
        "rest_url": cluster.rest_url,
        "token_secret": "slurm.token",
        "api_version": cluster.rest.api_version,
    }
    return settings_of(cluster, transport="rest", **reach, **overlay)


@pytest.fixture
def adapter(secrets: Secrets) -> GpuSlurm:
    return GpuSlurm(secrets=secrets)


def target_with(settings: Mapping[str, Any], name: str = "gpu1", **overlay: Any) -> Target:
    return Target(
        resource_id=name,
        name=name,
        kind="gpu_host",
        adapter="gpu_slurm",
        settings={**settings, **overlay},
        attributes={"model": "H100", "cards": 1},
    )


@pytest.fixture
def order_for() -> Callable[..., LeaseOrder]:
    epochs = itertools.count(1)

    def make(target: Target, **wishes: Any) -> LeaseOrder:
        starts_at = datetime.now(UTC).replace(microsecond=0)
        values = {
            "lease_id": str(uuid.uuid4()),
            "epoch": next(epochs),
            "revision": 1,
            "target": target,
            "covers": (target.resource_id,),
            "holder": Holder(username=RESEARCHER, project="testbed"),
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(hours=2),
        }
        return LeaseOrder(**(values | wishes))

    return make


@pytest.fixture(params=["emulator", "daemons"])
def cluster(request):
    """A cluster of Slurm 22.05, emulated and real; empty before and after."""
    if request.param == "emulator":
        with emulator(OLD) as slurm:
            yield slurm
    else:
        slurm = request.getfixturevalue("slurm_cluster")
        yield slurm
        slurm.empty()


@pytest.fixture(params=["commands", "rest"])
def newer(request):
    """A cluster of Slurm 25.05, emulated, and how it is reached."""
    with emulator(NEW) as slurm:
        settings = settings_of(slurm) if request.param == "commands" else rest_settings_of(slurm)
        yield slurm, settings


@pytest.fixture
def target(cluster):
    return target_with(settings_of(cluster))


@pytest.fixture
def holder(cluster):
    return SlurmHolder(cluster.run, "games")
