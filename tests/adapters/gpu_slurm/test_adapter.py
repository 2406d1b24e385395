"""What a lease behind Slurm is, and for whom, on the emulator and on real daemons."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.contract import Holder
from adapters.emulators.slurm.printing import reservation_line, zone_of
from adapters.errors import DeviceBusy, DeviceRefused, InvalidSettings
from tests.adapters.gpu_slurm.conftest import (
    COLLEAGUE,
    RESEARCHER,
    settings_of,
    target_with,
)
from tests.adapters.gpu_slurm.holder import SlurmHolder, line_of, reservation_of
from tests.adapters.gpu_slurm.neighbours import shown

NOW = datetime.now(UTC).replace(microsecond=0)


# --- what is reserved -------------------------------------------------------------------------------


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


# --- newer versions ---------------------------------------------------------------------------------


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


# --- who the holder is ------------------------------------------------------------------------------


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
