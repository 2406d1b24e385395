"""A cluster, an adapter that knows it, and somebody with an account there."""

import itertools
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.contract import Holder, LeaseOrder, Secrets, Target
from adapters.gpu_slurm.adapter import GpuSlurm
from tests.daemons.slurm.fixtures import slurm_cluster

__all__ = ["slurm_cluster"]

RESEARCHER, COLLEAGUE = "researcher@uni-a.example", "colleague@uni-b.example"
USERS = {RESEARCHER: "games", COLLEAGUE: "daemon"}


@pytest.fixture
def secrets(secrets_of: Callable[..., Secrets]) -> Secrets:
    return secrets_of({})


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
