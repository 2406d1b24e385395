"""The way by slurmrestd: tokens, versions, and the same answers as the commands give."""

import base64
import json
import time

import pytest

from adapters.errors import DeviceRefused, InvalidSettings
from adapters.gpu_slurm.adapter import GpuSlurm
from adapters.gpu_slurm.commands import SlurmCommands
from adapters.gpu_slurm.rest import SlurmRest
from adapters.gpu_slurm.settings import SlurmSettings
from tests.adapters.gpu_slurm.conftest import NEW, OLD, emulator, rest_settings_of, settings_of, target_with
from tests.adapters.gpu_slurm.holder import SlurmHolder

RESERVE = ["scontrol", "create", "reservation", "StartTime=now", "Duration=60", "Users=games"]


@pytest.fixture(params=["emulator", "daemons"])
def both_ways(request, secrets_of):
    """A cluster of 22.05, and how it is asked by slurmrestd as well."""
    if request.param == "emulator":
        with emulator(OLD) as slurm:
            yield slurm, rest_settings_of(slurm), secrets_of({"slurm.token": "let-me-in"})
        return
    slurm = request.getfixturevalue("slurm_cluster")
    settings = settings_of(
        slurm, rest_url=slurm.rest_url, api_version="v0.0.38", token_secret="slurm.token", transport="rest"
    )
    yield slurm, settings, secrets_of({"slurm.token": slurm.token()})
    slurm.empty()


def test_both_ways_show_the_same(both_ways):
    slurm, settings, secrets = both_ways
    made = slurm.run([*RESERVE, "ReservationName=course", "Nodes=gpu1", "Flags=STATIC_ALLOC"])
    licence = slurm.run([*RESERVE, "ReservationName=card", "Licenses=h100:1", "Flags=ANY_NODES"])
    assert (made.returncode, licence.returncode) == (0, 0)
    slurm.run(["scontrol", "update", "NodeName=gpu2", "State=DRAIN", "Reason=fan broken"])
    holder = SlurmHolder(slurm.run, "games")
    running = holder.submit("sbatch --reservation=course --gres=gpu:h100:1 job.sh")
    assert running.wait_until(running.alive)
    holder.submit("sbatch --reservation=course --gres=gpu:h100:1 job.sh")
    commands = SlurmCommands(settings=SlurmSettings(**settings))
    try:
        with SlurmRest(settings=SlurmSettings(**settings), secrets=secrets) as rest:
            assert by_name(rest.reservations()) == by_name(commands.reservations())
            assert [(j.id, j.user, j.state, j.reservation, j.nodes) for j in sorted_jobs(rest.jobs())] == [
                (j.id, j.user, j.state, j.reservation, j.nodes) for j in sorted_jobs(commands.jobs())
            ]
            for one, other in zip(sorted_nodes(rest.nodes()), sorted_nodes(commands.nodes()), strict=True):
                assert (one.name, one.cpus, one.cpus_used, one.cards, one.cards_used, one.partitions) == (
                    (other.name, other.cpus, other.cpus_used, other.cards, other.cards_used, other.partitions)
                )
                assert bool(one.trouble) == bool(other.trouble) == (one.name == "gpu2")
            assert rest.version() == commands.version() == "22.05.8"
    finally:
        slurm.run(["scontrol", "update", "NodeName=gpu2", "State=RESUME"])


def by_name(reservations):
    return {found.name: found for found in reservations}


def sorted_jobs(jobs):
    return sorted(jobs, key=lambda job: int(job.id))


def sorted_nodes(nodes):
    return sorted(nodes, key=lambda node: node.name)


def test_what_commands_cleaned_is_proven_by_slurmrestd(both_ways, order_for):
    _, settings, secrets = both_ways
    order = order_for(target_with(settings | {"transport": "commands"}))
    adapter = GpuSlurm(secrets=secrets)
    adapter.provision(order)

    proof = adapter.release(order)

    assert proof.is_clean
    assert all("slurmrestd v0.0.38" in check.method for check in proof.checks)


def test_an_old_slurmrestd_makes_no_reservations_and_that_is_said(both_ways, order_for):
    _, settings, secrets = both_ways

    with pytest.raises(InvalidSettings, match="let changes be made by commands"):
        GpuSlurm(secrets=secrets).provision(order_for(target_with(settings)))


@pytest.mark.parametrize("token", ["", "wrong", "a.b.c"])
def test_a_token_that_is_over_has_to_be_renewed(both_ways, secrets_of, token):
    _, settings, _ = both_ways
    adapter = GpuSlurm(secrets=secrets_of({"slurm.token": token}))

    with pytest.raises(InvalidSettings, match="Renew it: scontrol token username=root"):
        adapter.observe(target_with(settings))


def test_a_renewed_token_is_taken_at_the_next_call(adapter, secrets_of):
    with emulator(NEW) as slurm:
        target = target_with(rest_settings_of(slurm))
        secrets_of({"slurm.token": "yesterday's"})
        with pytest.raises(InvalidSettings, match="HTTP 401"):
            adapter.observe(target)
        secrets_of({"slurm.token": "let-me-in"})
        assert adapter.observe(target).healthy


def test_a_token_that_ends_soon_is_said_while_it_still_works(adapter, secrets_of):
    soon = base64.urlsafe_b64encode(json.dumps({"exp": int(time.time()) + 3600}).encode()).decode().rstrip("=")
    with emulator(NEW) as slurm:
        slurm.rest.tokens = {f"h.{soon}.s": "root"}
        secrets_of({"slurm.token": f"h.{soon}.s\n"})
        found = adapter.observe(target_with(rest_settings_of(slurm)))

    assert found.healthy
    assert "The token of slurmrestd ends at" in found.detail


def test_a_version_that_is_not_there_is_not_guessed(adapter):
    with emulator(NEW) as slurm, pytest.raises(InvalidSettings, match="Pin another version"):
        adapter.observe(target_with(rest_settings_of(slurm) | {"api_version": "v0.0.44"}))


def test_one_of_our_name_is_compared_before_it_is_written_over(adapter, order_for):
    with emulator(NEW) as slurm:
        order = order_for(target_with(rest_settings_of(slurm)))
        words = [f"ReservationName=shary-{order.lease_id}", "Nodes=gpu2", "Comment=mine"]
        assert slurm.run([*RESERVE, *words]).returncode == 0
        before = slurm.changes()

        for verb in (adapter.provision, adapter.admit, adapter.isolate, adapter.release):
            with pytest.raises(DeviceRefused, match="left alone"):
                verb(order)
        assert slurm.changes() == before
