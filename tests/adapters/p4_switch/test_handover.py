"""From one tenant to the next: nothing of the one before is left, kind by kind, and none of it comes back."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from finsy.proto import p4i, p4r
from google.protobuf import text_format

from adapters.contract import CleanProof, Holder, LeaseOrder
from adapters.emulators.p4runtime import P4RuntimeEmulator
from adapters.emulators.p4runtime.refusals import invalid
from adapters.errors import DeviceRefused
from adapters.p4_switch.adapter import P4Switch
from adapters.p4_switch.parking import drop_all
from tests.adapters.emulators.p4runtime.controller import (
    DELETE,
    INSERT,
    MODIFY,
    Controller,
    example_config,
    mac_entry,
)
from tests.adapters.p4_switch.conftest import example_artefacts, target_at
from tests.adapters.p4_switch.outside import holders_id, multicast_group

# The example's tables, and beside them one of everything that P4Runtime can write.
MORE = """
tables {
  preamble { id: 33554440 name: "More.balanced" alias: "balanced" }
  match_fields { id: 1 name: "port" bitwidth: 9 match_type: EXACT }
  action_refs { id: 16777218 }
  implementation_id: 285212673
  size: 16
}
tables {
  preamble { id: 33554441 name: "More.counted" alias: "counted" }
  match_fields { id: 1 name: "port" bitwidth: 9 match_type: EXACT }
  action_refs { id: 16777217 }
  action_refs { id: 16777218 }
  initial_default_action { action_id: 16777217 }
  direct_resource_ids: 318767105
  direct_resource_ids: 352321537
  size: 16
}
action_profiles {
  preamble { id: 285212673 name: "More.profile" alias: "profile" }
  table_ids: 33554440
  with_selector: true
  size: 16
}
direct_counters { preamble { id: 318767105 name: "More.hits" } spec { unit: BOTH } direct_table_id: 33554441 }
direct_meters { preamble { id: 352321537 name: "More.pace" } spec { unit: BYTES } direct_table_id: 33554441 }
meters { preamble { id: 335544321 name: "More.meter" } spec { unit: BYTES } size: 4 }
registers {
  preamble { id: 369098753 name: "More.state" }
  type_spec { bitstring { bit { bitwidth: 32 } } }
  size: 4
}
value_sets {
  preamble { id: 50331649 name: "More.ports" }
  match { id: 1 name: "port" bitwidth: 16 match_type: EXACT }
  size: 4
}
digests { preamble { id: 385875969 name: "More.learn" } }
"""
DROP, SEND = 16777217, 16777218


def send(port: int = 3) -> p4r.Action:
    return p4r.Action(action_id=SEND, params=[p4r.Action.Param(param_id=1, value=bytes([port]))])


def at_port(table_id: int, **fields: object) -> p4r.TableEntry:
    match = p4r.FieldMatch(field_id=1, exact=p4r.FieldMatch.Exact(value=b"\x01"))
    return p4r.TableEntry(table_id=table_id, match=[match], **fields)


def entity(kind: str, **fields: object) -> p4r.Entity:
    message = {"packet_replication_engine_entry": p4r.PacketReplicationEngineEntry}.get(kind)
    kinds = p4r.Entity.DESCRIPTOR.fields_by_name[kind].message_type.name
    return p4r.Entity(**{kind: (message or getattr(p4r, kinds))(**fields)})


METER = p4r.MeterConfig(cir=1, cburst=2, pir=3, pburst=4)
BY_GROUP = p4r.TableAction(action_profile_group_id=7)
CLONE = p4r.CloneSessionEntry(session_id=9, replicas=[p4r.Replica(port=b"\x01", instance=1)])
COUNTED = at_port(33554441, action=p4r.TableAction(action=send()))
CHANGED = p4r.TableEntry(table_id=33554441, is_default_action=True, action=p4r.TableAction(action=send()))
MEMBER = p4r.ValueSetMember(match=[p4r.FieldMatch(field_id=1, exact=p4r.FieldMatch.Exact(value=b"\x50"))])
DIGEST = p4r.DigestEntry.Config(max_timeout_ns=1, max_list_size=2, ack_timeout_ns=3)

WRITTEN: dict[str, list[tuple[int, p4r.Entity]]] = {
    "table entries": [(INSERT, mac_entry())],
    "default actions": [(MODIFY, p4r.Entity(table_entry=CHANGED))],
    "action profile members": [
        (INSERT, entity("action_profile_member", action_profile_id=285212673, member_id=5, action=send()))
    ],
    "action profile groups": [
        (INSERT, entity("action_profile_group", action_profile_id=285212673, group_id=7)),
        (INSERT, p4r.Entity(table_entry=at_port(33554440, action=BY_GROUP))),
    ],
    "direct counters": [
        (INSERT, p4r.Entity(table_entry=COUNTED)),
        (
            MODIFY,
            entity("direct_counter_entry", table_entry=at_port(33554441), data=p4r.CounterData(packet_count=3)),
        ),
    ],
    "direct meters": [
        (INSERT, p4r.Entity(table_entry=COUNTED)),
        (MODIFY, entity("direct_meter_entry", table_entry=at_port(33554441), config=METER)),
    ],
    "counters": [
        (
            MODIFY,
            entity(
                "counter_entry",
                counter_id=301989889,
                index=p4r.Index(index=1),
                data=p4r.CounterData(byte_count=9),
            ),
        )
    ],
    "meters": [(MODIFY, entity("meter_entry", meter_id=335544321, index=p4r.Index(index=2), config=METER))],
    "registers": [
        (
            MODIFY,
            entity(
                "register_entry",
                register_id=369098753,
                index=p4r.Index(index=0),
                data={"bitstring": b"\x2a"},
            ),
        )
    ],
    "value sets": [(MODIFY, entity("value_set_entry", value_set_id=50331649, members=[MEMBER]))],
    "multicast groups": [(INSERT, multicast_group(5))],
    "clone sessions": [
        (INSERT, entity("packet_replication_engine_entry", clone_session_entry=CLONE)),
    ],
    "digests": [(INSERT, entity("digest_entry", digest_id=385875969, config=DIGEST))],
}


def everything_config() -> p4r.ForwardingPipelineConfig:
    config = example_config(cookie=0)
    config.p4info.MergeFrom(text_format.Parse(MORE, p4i.P4Info()))
    return config


@pytest.fixture
def order_for() -> Callable[..., LeaseOrder]:
    def make(switch: P4RuntimeEmulator, lease: int = 1, epoch: int = 7) -> LeaseOrder:
        now = datetime(2030, 1, 1, tzinfo=UTC)
        return LeaseOrder(
            lease_id=f"3f6c8f7e-0000-4000-8000-{lease:012}",
            epoch=epoch,
            revision=1,
            target=target_at(switch.address, answer_timeout_s=1.0),
            covers=("0b7a8e3c-5e0e-4d0e-9d5f-6a3c1f0d2b11",),
            holder=Holder(username="researcher@uni-a.example", project="testbed"),
            starts_at=now,
            ends_at=now + timedelta(hours=1),
            artefacts=example_artefacts(),
        )

    return make


def begin(adapter: P4Switch, order: LeaseOrder) -> int:
    """Start a lease; return the election id of its holder."""
    access = adapter.provision(order)
    adapter.admit(order)
    return holders_id(access)


@pytest.fixture
def forgetful(monkeypatch) -> Callable[[P4RuntimeEmulator], None]:
    """Make a switch keep all that was written when the program changes: forgetful of its duty to clear."""

    def make(switch: P4RuntimeEmulator) -> None:
        device = switch.device
        commit = device.set_pipeline

        def keeps_all(action, config, *, pretend):
            kept = device.forwarding
            commit(action, config, pretend=pretend)
            device.forwarding = kept
            for table in kept.tables.values():
                table.ClearField("initial_default_action")  # what was written stays, the tables are gone

        monkeypatch.setattr(device, "set_pipeline", keeps_all)

    return make


def failed(proof: CleanProof) -> set[str]:
    return {check.name for check in proof.checks if not check.passed}


def test_each_kind_that_can_be_written_has_its_row_in_the_proof(adapter, switch, order_for):
    order = order_for(switch)
    begin(adapter, order)
    proof = adapter.release(order)
    assert proof.is_clean
    assert set(WRITTEN) <= {check.name for check in proof.checks}
    (row,) = (check for check in proof.checks if check.name == "what the lease's program declared")
    assert row.found == "0 of 5 numbers asked"  # two tables, their default actions, a counter


def test_all_that_outlives_the_change_of_program_is_taken_away(adapter, switch, order_for, forgetful):
    order = order_for(switch)
    number = begin(adapter, order)
    with Controller(switch.address) as holder:
        holder.bid(number)
        holder.push(everything_config())
        for name, updates in WRITTEN.items():
            new = [
                each
                for each in updates
                if each[1] != p4r.Entity(table_entry=COUNTED) or name != "direct meters"
            ]
            holder.write(*new)
    forgetful(switch)

    assert failed(adapter.release(order)) == set()
    for kind, kept in switch.device.forwarding.entities.items():
        assert kind[0].endswith("_entry"), kept  # cells of arrays stay, as they were in the beginning
        assert kind[0] in ("counter_entry", "meter_entry", "register_entry", "value_set_entry")


@pytest.mark.parametrize("name", WRITTEN)
def test_what_cannot_be_taken_away_is_named(adapter, switch, order_for, forgetful, monkeypatch, name):
    order = order_for(switch)
    number = begin(adapter, order)
    with Controller(switch.address) as holder:
        holder.bid(number)
        holder.push(everything_config())
        holder.write(*WRITTEN[name])
    forgetful(switch)

    def refuse(update: object) -> None:
        raise invalid("not now")

    monkeypatch.setattr(switch.device.forwarding, "write", refuse)
    assert name in failed(adapter.release(order))


def test_the_next_tenant_is_not_given_what_the_last_one_wrote(
    adapter, switch, order_for, forgetful, monkeypatch
):
    first = order_for(switch)
    number = begin(adapter, first)
    with Controller(switch.address) as holder:
        holder.bid(number)
        holder.write((INSERT, mac_entry()))
    forgetful(switch)
    monkeypatch.setattr(switch.device.forwarding, "write", lambda update: None)
    assert "table entries" in failed(adapter.release(first))  # and an operator vouched for it all the same
    with pytest.raises(DeviceRefused, match="still holds table entries"):
        adapter.provision(order_for(switch, lease=2, epoch=8))


# --- programs that a switch keeps on its disk -----------------------------------------------------


@pytest.fixture
def stratum() -> Iterator[P4RuntimeEmulator]:
    with P4RuntimeEmulator(personality="stratum") as running:
        yield running


def program_on(switch: P4RuntimeEmulator) -> bytes:
    with Controller(switch.address) as controller:
        return controller.pipeline().config.p4_device_config


def test_an_emulated_stratum_pushes_its_program_again_when_it_starts(stratum, tmp_path):
    with Controller(stratum.address) as controller:
        controller.bid(1)
        controller.push(example_config())
        controller.write((INSERT, mac_entry()))
        stratum.reboot()
    with Controller(stratum.address) as controller:
        assert controller.pipeline().config.cookie.cookie == 7
        assert controller.read() == []
        assert controller.bid(1) == "OK"  # ids are forgotten


@pytest.mark.parametrize("action", ["VERIFY_AND_COMMIT", "VERIFY_AND_SAVE"])
@pytest.mark.parametrize("ended", ["isolate", "release"])
def test_after_the_end_no_restart_brings_the_tenants_program_back(adapter, stratum, order_for, action, ended):
    order = order_for(stratum)
    number = begin(adapter, order)
    with Controller(stratum.address) as holder:
        assert holder.bid(number) == "OK"
        holder.push(example_config(cookie=666), action)
    getattr(adapter, ended)(order)
    before = program_on(stratum)

    stratum.reboot()

    assert before == program_on(stratum) == drop_all("bmv2_v1model")
    with Controller(stratum.address) as anybody:
        anybody.bid(1)
        with pytest.raises(Exception, match="nothing was saved"):
            anybody.push(None, "COMMIT")  # nor does the one that was saved and never committed
    assert adapter.release(order).is_clean
    assert begin(adapter, order_for(stratum, lease=2, epoch=8)) >> 64 == 8


def test_a_restart_in_the_middle_of_a_lease_gives_the_program_back_with_empty_tables(
    adapter, stratum, order_for
):
    order = order_for(stratum)
    number = begin(adapter, order)
    with Controller(stratum.address) as holder:
        holder.bid(number)
        holder.write((INSERT, mac_entry()))
        stratum.reboot()
    seen = adapter.observe(order.target)
    assert (seen.carries, seen.epoch) == (order.lease_id, 7)
    with Controller(stratum.address) as holder:
        assert holder.bid(number) == "OK"
        assert holder.read() == []
        holder.write((INSERT, mac_entry()))
        holder.write((DELETE, mac_entry()))
    assert adapter.release(order).is_clean
