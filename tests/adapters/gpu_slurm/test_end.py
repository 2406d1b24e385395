"""How leases behind Slurm end, and what a look at them tells."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.errors import OutcomeUnknown
from tests.adapters.gpu_slurm.conftest import OLD, emulator, settings_of, target_with
from tests.adapters.gpu_slurm.holder import SlurmHolder, line_of, reservation_of
from tests.adapters.gpu_slurm.neighbours import running_job, shown

NOW = datetime.now(UTC).replace(microsecond=0)


# --- the end ----------------------------------------------------------------------------------------


def test_jobs_that_wait_and_jobs_that_ignore_signals_end_too(adapter, cluster, target, order_for, holder):
    order = order_for(target)
    access = adapter.provision(order)
    adapter.admit(order)
    trap = "trap '' TERM INT HUP; while :; do sleep 0.2; done"
    job = holder.submit(line_of(access), script=trap)
    assert job.wait_until(job.alive)
    waiting = holder.submit(line_of(access))
    assert waiting.state() == "PENDING"

    adapter.isolate(order)

    assert not job.alive()
    assert waiting.state() in ("", "CANCELLED")
    # The node stays held until it is proven clean.
    assert " Users=root " in shown(cluster, reservation_of(access))
    assert adapter.release(order).is_clean


def test_jobs_of_others_on_the_cluster_go_on(adapter, cluster, target, order_for):
    order = order_for(target)
    adapter.provision(order)
    with running_job(cluster, "-w", "cpu1") as job:
        adapter.isolate(order)
        assert adapter.release(order).is_clean
        assert job.alive()


def test_the_proof_tells_what_was_looked_at_and_what_was_not(adapter, cluster, target, order_for):
    order = order_for(target)
    adapter.provision(order)
    proof = adapter.release(order)

    assert [(check.name, check.found) for check in proof.checks][:1] == [("jobs of the lease", "none")]
    by_name = {check.name: check for check in proof.checks}
    assert set(by_name) == {"jobs of the lease", "state of gpu1", "cards in use on gpu1", "reservation"}
    assert "the cards themselves were not looked at" in by_name["cards in use on gpu1"].method


# --- looking ----------------------------------------------------------------------------------------


def test_use_is_measured_and_the_way_of_reserving_said(adapter, cluster, target, order_for, holder):
    order = order_for(target)
    access = adapter.provision(order)
    adapter.admit(order)
    with holder.session(access):
        waiting = holder.submit(line_of(access))
        found = adapter.observe(target)
        waiting.cancel()

    assert found.measurements["jobs_running"] == 1
    assert found.measurements["jobs_waiting"] == 1
    assert found.measurements["cores_allocated"] == 1
    assert found.measurements["cards_allocated_percent"] == 100
    assert "Slurm 22.05.8, asked by scontrol and squeue; a lease takes whole node gpu1." in found.detail


def test_nodes_with_cards_are_discovered_with_settings_that_work(adapter, cluster, target, order_for):
    one, two = sorted(adapter.discover(target), key=lambda found: found.name)

    assert (one.name, one.kind, one.model, one.parts) == ("gpu1", "gpu_host", "H100", ())
    assert (two.model, two.attributes["cards"]) == ("2 × A100", 2)
    assert [part.settings["way"] for part in two.parts] == ["cores", "cores"]
    for found in (one, *two.parts):
        accepted = target_with(settings_of(cluster, **found.settings), found.name)
        assert adapter.provision(order_for(accepted)).endpoints


def test_newer_slurm_lends_each_card_by_count(adapter, newer):
    _, settings = newer
    two = next(found for found in adapter.discover(target_with(settings)) if found.name == "gpu2")

    assert [part.settings for part in two.parts] == [
        {"way": "gres", "nodes": ["gpu2"], "gres": "gpu:a100:1"}
    ] * 2


def test_a_reservation_that_slurm_ended_leaves_the_node_to_the_next_job(adapter, order_for):
    with emulator(OLD) as slurm:
        order = order_for(target_with(settings_of(slurm)))
        adapter.provision(order)
        with slurm.cluster.lock:
            for found in slurm.cluster.reservations.values():
                found.end = 1
        with running_job(slurm, "-w", "gpu1") as job:
            proof = adapter.release(order)
            assert job.alive()

    assert proof.is_clean
    assert {check.name for check in proof.checks} == {"jobs of the lease", "reservation"}


def test_a_job_that_was_not_ended_is_told_and_nothing_is_given_on(adapter, order_for):
    with emulator(OLD) as slurm:
        order = order_for(target_with(settings_of(slurm, settle_s=0.3)))
        access = adapter.provision(order)
        adapter.admit(order)
        with SlurmHolder(slurm.run, "games").session(access) as session:
            slurm.break_with("lie")
            for verb in (adapter.isolate, adapter.release):
                with pytest.raises(OutcomeUnknown, match=f"does not end job {session.number}"):
                    verb(order)
            slurm.mend()
            assert order.lease_id in shown(slurm)


# --- words without deeds --------------------------------------------------------------------------


def test_an_opening_that_is_not_shown_is_not_believed(adapter, newer, order_for):
    slurm, settings = newer
    order = order_for(target_with(settings))
    adapter.provision(order)
    slurm.break_with("lie")

    with pytest.raises(OutcomeUnknown, match="opened"):
        adapter.admit(order)


def test_an_end_or_an_epoch_that_is_not_shown_is_not_believed(adapter, newer, order_for):
    slurm, settings = newer
    order = order_for(target_with(settings))
    adapter.provision(order)
    slurm.break_with("lie")

    with pytest.raises(OutcomeUnknown, match="moved the end"):
        adapter.provision(replace(order, revision=2, ends_at=order.ends_at + timedelta(hours=1)))
    with pytest.raises(OutcomeUnknown, match="marked"):
        adapter.provision(replace(order, epoch=order.epoch + 1))
