"""Whom a lease finds at the cluster: others who reserved, jobs that run, nodes that are not well."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.errors import DeviceBusy, DeviceRefused, DeviceUnreachable, InvalidSettings
from tests.adapters.gpu_slurm.conftest import (
    settings_of,
    target_with,
)
from tests.adapters.gpu_slurm.holder import SlurmHolder
from tests.adapters.gpu_slurm.neighbours import node_in, reserve, running_job, shown

NOW = datetime.now(UTC).replace(microsecond=0)


# --- who is in the way ------------------------------------------------------------------------------


@pytest.mark.parametrize("theirs", [{}, {"CoreCnt": "1"}], ids=["whole node", "one core"])
def test_a_reservation_of_others_is_in_the_way_and_named(adapter, cluster, target, order_for, theirs):
    reserve(cluster, "course", Nodes="gpu1", **theirs)

    with pytest.raises(DeviceBusy, match="reservation course until"):
        adapter.provision(order_for(target))
    found = adapter.observe(target)
    assert (found.carries, found.healthy) == (None, True)
    assert "Reservation course (root), not SHARY's, has gpu1" in found.detail
    assert shown(cluster).count("ReservationName=") == 1


def test_a_job_that_runs_into_the_lease_is_in_the_way_and_named(adapter, cluster, target, order_for):
    with running_job(cluster, "-w", "gpu1", "-t", "30") as job:
        with pytest.raises(DeviceBusy, match=f"job {job.number} of daemon"):
            adapter.provision(order_for(target))
        assert job.alive()
        assert f"job {job.number} of daemon (running), without SHARY" in adapter.observe(target).detail


def test_a_job_that_is_over_by_then_is_not_in_the_way(adapter, cluster, target, order_for):
    starts_at = NOW + timedelta(hours=3)
    with running_job(cluster, "-w", "gpu1", "-t", "30") as job:
        order = order_for(target, starts_at=starts_at, ends_at=starts_at + timedelta(hours=1))
        adapter.provision(order)
        assert job.alive()

    assert adapter.observe(target).carries == order.lease_id
    # And from now on no job is started that would run into the lease.
    late = SlurmHolder(cluster.run, "daemon").submit("sbatch job.sh", more=["-w", "gpu1", "-t", "600"])
    assert late.state() == "PENDING"
    late.cancel()


def test_a_name_of_ours_without_our_mark_is_never_touched(adapter, cluster, target, order_for):
    order = order_for(target)
    reserve(cluster, f"shary-{order.lease_id}", Nodes="gpu1", Users="daemon")
    before = shown(cluster)

    for verb in (adapter.provision, adapter.admit, adapter.isolate, adapter.release):
        with pytest.raises(DeviceRefused, match="left alone"):
            verb(order)
    assert shown(cluster) == before


def test_an_end_moves_as_far_as_the_next_reservation_lets_it(adapter, cluster, target, order_for):
    order = order_for(target)
    adapter.provision(order)
    reserve(cluster, "course", Nodes="gpu1", StartTime="now+180minutes")

    with pytest.raises(DeviceBusy, match="reservation course"):
        adapter.provision(replace(order, revision=2, ends_at=order.ends_at + timedelta(hours=2)))
    shorter = replace(order, revision=3, ends_at=order.ends_at - timedelta(hours=1))
    adapter.provision(shorter)
    assert re.search(r"Duration=01:1\d:\d\d Nodes=gpu1.* Users=root .*State=ACTIVE", shown(cluster))


# --- nodes that are not well ------------------------------------------------------------------------


def test_a_drained_node_is_unfit_for_the_reason_that_was_given(adapter, cluster, target, order_for):
    with node_in(cluster, "DRAIN", "fan broken State=IDLE"):
        found = adapter.observe(target)
        assert not found.healthy
        assert "fan broken" in found.unfit
        with pytest.raises(DeviceRefused, match="fan broken"):
            adapter.provision(order_for(target))
    assert shown(cluster) == ""
    assert adapter.observe(target).unfit == ""


def test_a_node_that_is_down_may_come_back(adapter, cluster, target, order_for):
    with node_in(cluster, "DOWN", "power"):
        found = adapter.observe(target)
        assert (found.healthy, found.unfit) == (False, "")
        assert "power" in found.detail
        with pytest.raises(DeviceUnreachable, match="Node gpu1 is down"):
            adapter.provision(order_for(target))


def test_a_node_that_went_down_is_not_proven_clean_and_stays_held(adapter, cluster, order_for):
    target = target_with(settings_of(cluster, settle_s=0.3))
    order = order_for(target)
    adapter.provision(order)
    with node_in(cluster, "DOWN", "power"):
        proof = adapter.release(order)
        assert [check.name for check in proof.checks if not check.passed] == ["state of gpu1"]
        assert order.lease_id in shown(cluster)

    assert adapter.release(replace(order, target=target_with(settings_of(cluster)))).is_clean
    assert shown(cluster) == ""


def test_a_node_that_the_cluster_does_not_have_is_named(adapter, cluster, order_for):
    target = target_with(settings_of(cluster, nodes=["gpu9"]))

    with pytest.raises(InvalidSettings, match=r"no node “gpu9”.*cpu1, gpu1, gpu2"):
        adapter.provision(order_for(target))
    assert not adapter.observe(target).healthy


def test_without_nodes_nothing_can_be_lent(adapter, cluster, order_for):
    with pytest.raises(InvalidSettings, match="has no nodes"):
        adapter.provision(order_for(target_with(settings_of(cluster, nodes=[]))))
