"""What is particular to leases behind Slurm, on the emulator and on real daemons."""

import re
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.contract import Holder
from adapters.emulators.slurm.printing import reservation_line, zone_of
from adapters.errors import DeviceBusy, DeviceRefused, DeviceUnreachable, InvalidSettings
from tests.adapters.gpu_slurm.conftest import (
    COLLEAGUE,
    NEW,
    OLD,
    RESEARCHER,
    emulator,
    rest_settings_of,
    settings_of,
    target_with,
)
from tests.adapters.gpu_slurm.holder import SlurmHolder, Submitted, line_of, reservation_of

NOW = datetime.now(UTC).replace(microsecond=0)


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


# --- what is reserved -----------------------------------------------------------------------------


def test_a_lease_is_a_closed_reservation_of_just_its_nodes(adapter, cluster, target, order_for):
    order = order_for(target)
    access = adapter.provision(order)

    line = shown(cluster)
    assert line.count("ReservationName=") == 1
    assert f"ReservationName={reservation_of(access)} " in line
    assert reservation_of(access).startswith(f"shary-{order.lease_id}.{order.epoch}.")
    assert " Nodes=gpu1 " in line
    assert " Users=root " in line
    assert " Flags=SPEC_NODES,STATIC " in line


@pytest.mark.parametrize(
    "starts_at",
    [
        datetime(2027, 10, 31, 0, 30, tzinfo=UTC),
        datetime(2027, 10, 31, 1, 30, tzinfo=UTC),
        datetime(2028, 3, 26, 1, 15, tzinfo=UTC),
    ],
    ids=["the first half past two", "the second half past two", "after the hour that is left out"],
)
def test_a_start_is_right_whatever_the_zone_and_its_clock_changes(
    adapter, cluster, target, order_for, monkeypatch, starts_at
):
    # The controller of the real daemons is in India.
    monkeypatch.setenv("TZ", "Europe/Rome")
    order = order_for(target, starts_at=starts_at, ends_at=starts_at + timedelta(hours=1))

    access = adapter.provision(order)

    said = (
        cluster.run(["env", "TZ=UTC0", "scontrol", "-o", "show", "reservation"]) if _is_real(cluster) else None
    )
    line = said.stdout if said else _in_utc(cluster)
    assert f"StartTime={starts_at:%Y-%m-%dT%H:%M:%S} " in line
    assert f"EndTime={starts_at + timedelta(hours=1, minutes=10):%Y-%m-%dT%H:%M:%S} " in line
    assert adapter.provision(order) == access


def _is_real(cluster):
    return not hasattr(cluster, "break_with")


def _in_utc(cluster):
    inside = cluster.cluster
    return "".join(reservation_line(inside, found, zone_of("UTC0")) for found in inside.reservations.values())


def test_seconds_are_given_to_the_holder_on_both_sides(adapter, cluster, target, order_for):
    starts_at = (NOW + timedelta(days=2)).replace(hour=10, minute=0, second=30)
    adapter.provision(order_for(target, starts_at=starts_at, ends_at=starts_at + timedelta(hours=1)))

    line = shown(cluster)
    assert re.search(r"StartTime=\S+:00 EndTime=\S+:00 Duration=01:11:00 ", line)


def test_the_line_that_the_holder_is_told_is_complete(adapter, cluster, order_for):
    target = target_with(settings_of(cluster), partition="gpu", accounts={"testbed": "proj42"}, login_port=2222)
    access = adapter.provision(order_for(target))

    name = reservation_of(access)
    options = f"--reservation={name} -A proj42 -p gpu --gres=gpu:h100:1 -t 60"
    assert [way.command for way in access.endpoints] == [
        "ssh -p 2222 games@login.uni-a.example",
        f"sbatch {options} job.sh",
        f"srun {options} --pty bash -i",
    ]
    assert name in access.instructions


def test_two_halves_of_a_node_are_two_leases_and_the_whole_is_neither(adapter, cluster, order_for):
    half = {"way": "cores", "nodes": ["gpu2"], "cores": 2, "gres": "gpu:a100:1"}
    first, second = (target_with(settings_of(cluster, **half), name) for name in ("half-a", "half-b"))
    whole = target_with(settings_of(cluster, nodes=["gpu2"], gres="gpu:a100:2"), "whole")
    orders = [order_for(part) for part in (first, second)]
    for order in orders:
        adapter.provision(order)

    # Slurm itself would make the whole one beside the halves.
    with pytest.raises(DeviceBusy, match=orders[0].lease_id):
        adapter.provision(order_for(whole))
    assert adapter.observe(first).carries == orders[0].lease_id
    assert adapter.observe(second).carries == orders[1].lease_id
    assert all(adapter.release(order).is_clean for order in orders)


def test_a_part_of_a_node_that_is_lent_whole_carries_that_lease(adapter, cluster, order_for):
    whole = target_with(settings_of(cluster, nodes=["gpu2"], gres="gpu:a100:2"), "whole")
    half = target_with(settings_of(cluster, way="cores", nodes=["gpu2"], cores=2, gres="gpu:a100:1"), "half-a")
    order = order_for(whole)
    adapter.provision(order)

    assert adapter.observe(half).carries == order.lease_id
    with pytest.raises(DeviceBusy, match=order.lease_id):
        adapter.provision(order_for(half))


def test_a_licence_stands_for_a_card(adapter, cluster, order_for, holder):
    cards = [
        target_with(settings_of(cluster, way="licenses", licence="h100:1", nodes=[]), name)
        for name in ("a", "b", "c")
    ]
    orders = [order_for(card) for card in cards]
    access = adapter.provision(orders[0])
    adapter.admit(orders[0])
    adapter.provision(orders[1])

    assert holder.can_enter(access)
    assert "-L h100:1" in line_of(access)
    assert "Flags=ANY_NODES" in shown(cluster, reservation_of(access))
    with pytest.raises(DeviceBusy, match="Of 2 h100, 2 are reserved"):
        adapter.provision(orders[2])
    assert [adapter.observe(card).carries for card in cards] == [orders[0].lease_id, orders[1].lease_id, None]
    assert all(adapter.release(order).is_clean for order in orders[:2])


def test_a_licence_that_the_cluster_does_not_have_is_named(adapter, cluster, order_for):
    target = target_with(settings_of(cluster, way="licenses", licence="b200:1", nodes=[]))

    with pytest.raises(InvalidSettings, match="no licence “b200”"):
        adapter.provision(order_for(target))
    found = adapter.observe(target)
    assert not found.healthy
    assert "0 licences “b200”" in found.detail


def test_cards_by_count_are_refused_in_words_where_slurm_cannot(adapter, cluster, order_for):
    target = target_with(settings_of(cluster, way="gres", nodes=["gpu2"], gres="gpu:a100:1"))

    with pytest.raises(InvalidSettings, match="Reserve whole nodes, cores or a licence instead"):
        adapter.provision(order_for(target))
    assert shown(cluster) == ""


# --- newer versions -------------------------------------------------------------------------------


def test_where_slurm_keeps_comments_the_epoch_is_in_the_comment(adapter, newer, order_for):
    slurm, settings = newer
    order = order_for(target_with(settings))
    access = adapter.provision(order)

    (found,) = slurm.cluster.reservations.values()
    assert found.name == reservation_of(access) == f"shary-{order.lease_id}"
    assert f"lease={order.lease_id} epoch={order.epoch} " in found.comment
    assert re.search(r" digest=[0-9a-f]{16}$", found.comment)


def test_a_later_epoch_writes_its_mark_and_disturbs_nobody(adapter, newer, order_for):
    slurm, settings = newer
    order = order_for(target_with(settings))
    access = adapter.provision(order)
    adapter.admit(order)
    with SlurmHolder(slurm.run, "games").session(access) as session:
        later = replace(order, epoch=order.epoch + 1)
        assert adapter.provision(later) == access
        assert session.alive()

    assert adapter.observe(order.target).epoch == order.epoch + 1
    with pytest.raises(DeviceBusy, match="stale"):
        adapter.admit(order)


def test_a_reservation_that_somebody_turned_into_another_is_not_used(adapter, newer, order_for):
    _, settings = newer
    order = order_for(target_with(settings))
    adapter.provision(order)
    with pytest.raises(DeviceRefused, match="is of gpu1, and should be of gpu2"):
        adapter.provision(replace(order, target=target_with(settings, nodes=["gpu2"])))


def test_cards_of_one_node_are_lent_by_count_where_slurm_can(adapter, newer, order_for):
    slurm, settings = newer
    card = settings | {"way": "gres", "nodes": ["gpu2"], "gres": "gpu:a100:1"}
    first, second, third = (order_for(target_with(card, name)) for name in ("a", "b", "c"))
    adapter.provision(first)
    adapter.provision(second)

    with pytest.raises(DeviceBusy, match="In the way: reservation shary-"):
        adapter.provision(third)
    assert sum(found.cards for found in slurm.cluster.reservations.values()) == 2


def test_a_later_epoch_makes_its_reservation_anew_where_the_name_carries_it(
    adapter, cluster, target, order_for
):
    order = order_for(target)
    first = adapter.provision(order)
    later = replace(order, epoch=order.epoch + 7)
    second = adapter.provision(later)

    assert reservation_of(first) != reservation_of(second)
    assert shown(cluster).count("ReservationName=") == 1
    assert adapter.observe(target).epoch == later.epoch


# --- who the holder is ----------------------------------------------------------------------------


def test_a_holder_whom_the_site_does_not_know_is_told_whom_to_ask(adapter, cluster, target, order_for):
    stranger = Holder(username="somebody@uni-c.example", project="testbed")

    with pytest.raises(DeviceRefused, match="Ask the operator to add “somebody"):
        adapter.provision(order_for(target, holder=stranger))
    assert shown(cluster) == ""


def test_a_user_whom_the_cluster_does_not_know_is_named(adapter, cluster, order_for):
    target = target_with(settings_of(cluster, users={RESEARCHER: "nosuchuser"}))
    order = order_for(target)
    adapter.provision(order)

    with pytest.raises(DeviceRefused, match="the user “nosuchuser” at the cluster"):
        adapter.admit(order)
    assert " Users=root " in shown(cluster)


def test_nobody_else_may_use_the_reservation(adapter, cluster, target, order_for, holder):
    order = order_for(target)
    access = adapter.provision(order)
    adapter.admit(order)

    refused = holder.submit(line_of(access), user="daemon")
    assert "Access denied to requested reservation" in str(refused)
    assert holder.can_enter(access)


def test_a_holder_can_be_known_by_an_account_alone(adapter, cluster, order_for):
    target = target_with(settings_of(cluster, users={}, accounts={"testbed": "proj42"}))
    order = order_for(target)
    access = adapter.provision(order)
    colleague = SlurmHolder(cluster.run, "daemon")
    assert not colleague.can_enter(access)
    adapter.admit(order)

    assert "ssh login.uni-a.example" in [way.command for way in access.endpoints]
    assert colleague.can_enter(access)
    assert isinstance(colleague.submit(line_of(access).replace("-A proj42", "-A other")), str)
    adapter.isolate(order)
    assert not colleague.can_enter(access)


def test_the_next_holder_is_let_in_and_the_one_before_is_not(adapter, cluster, target, order_for):
    first = order_for(target)
    adapter.provision(first)
    adapter.admit(first)
    adapter.release(first)
    second = order_for(target, holder=Holder(username=COLLEAGUE, project="testbed"))
    access = adapter.provision(second)
    adapter.admit(second)

    assert not SlurmHolder(cluster.run, "games").can_enter(access)
    assert SlurmHolder(cluster.run, "daemon").can_enter(access)


# --- who is in the way ----------------------------------------------------------------------------


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


# --- nodes that are not well ----------------------------------------------------------------------


@contextmanager
def node_in(cluster, state, reason):
    assert (
        cluster.run(["scontrol", "update", "NodeName=gpu1", f"State={state}", f"Reason={reason}"]).returncode
        == 0
    )
    yield
    assert cluster.run(["scontrol", "update", "NodeName=gpu1", "State=RESUME"]).returncode == 0


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


# --- the end --------------------------------------------------------------------------------------


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


# --- looking --------------------------------------------------------------------------------------


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
