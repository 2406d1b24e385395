"""The emulated switch keeps entries as the P4Info of its program says."""

import re

import grpc
import pytest
from finsy.proto import p4r
from google.protobuf import text_format

from adapters.emulators.p4runtime import example
from tests.adapters.emulators.p4runtime.controller import (
    DELETE,
    INSERT,
    MODIFY,
    code_of,
    example_config,
    mac_entry,
)

MAC, IPV4 = 33554433, 33554434
DROP, SEND, ROUTE = 16777217, 16777218, 16777219
SENT = 301989889
EVERYTHING = """
tables {
  preamble { id: 33554435 name: "acl" }
  match_fields { id: 1 name: "port" bitwidth: 9 match_type: TERNARY }
  match_fields { id: 2 name: "l4" bitwidth: 16 match_type: RANGE }
  match_fields { id: 3 name: "vlan" bitwidth: 12 match_type: OPTIONAL }
  action_refs { id: 16777217 }
  size: 2
}
tables {
  preamble { id: 33554436 name: "hashed" }
  match_fields { id: 1 name: "group" bitwidth: 16 match_type: EXACT }
  action_refs { id: 16777218 }
  implementation_id: 285212673
  size: 8
}
action_profiles {
  preamble { id: 285212673 name: "ports" } table_ids: 33554436 with_selector: true size: 2
}
meters { preamble { id: 335544321 name: "rate" } spec { unit: BYTES } size: 4 }
registers { preamble { id: 369098753 name: "seen" } size: 4 }
digests { preamble { id: 385875969 name: "learn" } }
value_sets { preamble { id: 50331649 name: "trunks" } size: 2 }
"""


@pytest.fixture
def rich(primary):
    """The switch with a program that has something of every kind."""
    config = example_config()
    text_format.Merge(EVERYTHING, config.p4info)
    primary.push(config)
    return primary


def ipv4_entry(address: str, bits: int) -> p4r.Entity:
    value = bytes(int(part) for part in address.split("."))
    entry = p4r.TableEntry(
        table_id=IPV4,
        match=[p4r.FieldMatch(field_id=1, lpm=p4r.FieldMatch.LPM(value=value, prefix_len=bits))],
    )
    entry.action.action.action_id = DROP
    return p4r.Entity(table_entry=entry)


def acl_entry(**fields) -> p4r.Entity:
    entry = p4r.TableEntry(table_id=33554435, priority=fields.pop("priority", 10))
    for number, (kind, value) in enumerate(fields.items(), start=1):
        entry.match.add(field_id=number, **{kind: value})
    entry.action.action.action_id = DROP
    return p4r.Entity(table_entry=entry)


def changed(entity: p4r.Entity, change) -> p4r.Entity:
    change(entity.table_entry)
    return entity


def test_an_entry_is_inserted_read_modified_and_deleted(primary):
    primary.write((INSERT, mac_entry(port=3)))
    assert primary.read() == [mac_entry(port=3)]
    primary.write((MODIFY, mac_entry(port=4)))
    assert primary.read() == [mac_entry(port=4)]
    primary.write((DELETE, mac_entry()))
    assert primary.read() == []


def test_each_update_of_a_write_has_its_own_status(primary):
    assert primary.errors(
        (INSERT, mac_entry(1)), (INSERT, mac_entry(1)), (MODIFY, mac_entry(2)), (DELETE, mac_entry(3))
    ) == ["OK", "ALREADY_EXISTS", "NOT_FOUND", "NOT_FOUND"]
    assert primary.read() == [mac_entry(1)]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda e: setattr(e, "table_id", 33554999), "INVALID_ARGUMENT"),
        (lambda e: setattr(e.action.action, "action_id", 16777999), "INVALID_ARGUMENT"),
        (lambda e: setattr(e.action.action, "action_id", ROUTE), "INVALID_ARGUMENT"),
        (lambda e: setattr(e.match[0], "field_id", 9), "INVALID_ARGUMENT"),
        (lambda e: e.match.add(field_id=1, exact=p4r.FieldMatch.Exact(value=b"\x01")), "INVALID_ARGUMENT"),
        (lambda e: e.ClearField("match"), "INVALID_ARGUMENT"),
        (lambda e: e.ClearField("action"), "INVALID_ARGUMENT"),
        (lambda e: e.action.action.ClearField("params"), "INVALID_ARGUMENT"),
        (lambda e: setattr(e.action.action.params[0], "param_id", 2), "INVALID_ARGUMENT"),
        (lambda e: setattr(e.action.action.params[0], "value", b""), "INVALID_ARGUMENT"),
        (lambda e: setattr(e.action.action.params[0], "value", b"\x02\x00"), "OUT_OF_RANGE"),
        (lambda e: setattr(e.match[0].exact, "value", b"\x01" * 7), "OUT_OF_RANGE"),
        (lambda e: setattr(e.match[0].lpm, "prefix_len", 8), "INVALID_ARGUMENT"),
        (lambda e: setattr(e, "priority", 1), "INVALID_ARGUMENT"),
        (lambda e: setattr(e.action, "action_profile_member_id", 1), "INVALID_ARGUMENT"),
    ],
)
def test_what_does_not_fit_the_program_is_refused(primary, change, status):
    assert primary.errors((INSERT, changed(mac_entry(), change))) == [status]
    assert primary.read() == []


def test_a_longer_prefix_is_another_entry_and_loose_bits_are_refused(primary):
    assert primary.errors(
        (INSERT, ipv4_entry("10.0.0.0", 8)),
        (INSERT, ipv4_entry("10.0.0.0", 16)),
        (INSERT, ipv4_entry("10.0.0.1", 24)),
        (INSERT, ipv4_entry("10.0.0.0", 0)),
    ) == ["OK", "OK", "INVALID_ARGUMENT", "INVALID_ARGUMENT"]


def test_a_full_table_takes_no_more(rich):
    ternary = p4r.FieldMatch.Ternary
    entries = [acl_entry(ternary=ternary(value=bytes([n]), mask=b"\xff")) for n in (1, 2, 3)]

    assert rich.errors(*((INSERT, entry) for entry in entries)) == ["OK", "OK", "RESOURCE_EXHAUSTED"]


def test_overlapping_matches_need_a_priority_and_tell_entries_apart_by_it(rich):
    assert rich.errors(
        (INSERT, acl_entry(priority=0)), (INSERT, acl_entry(priority=1)), (INSERT, acl_entry(priority=2))
    ) == ["INVALID_ARGUMENT", "OK", "OK"]


@pytest.mark.parametrize(
    ("ternary", "span"),
    [
        ((b"\x03", b"\x01"), (b"\x01", b"\x02")),
        ((b"\x00", b"\x00"), (b"\x01", b"\x02")),
        ((b"\x01", b"\x01"), (b"\x03", b"\x02")),
    ],
)
def test_masks_and_ranges_have_to_make_sense(rich, ternary, span):
    entry = acl_entry(
        ternary=p4r.FieldMatch.Ternary(value=ternary[0], mask=ternary[1]),
        range=p4r.FieldMatch.Range(low=span[0], high=span[1]),
    )

    assert rich.errors((INSERT, entry)) == ["INVALID_ARGUMENT"]


def test_a_default_entry_is_modified_only(primary):
    entry = p4r.Entity(table_entry=p4r.TableEntry(table_id=MAC, is_default_action=True))
    entry.table_entry.action.action.action_id = DROP

    assert primary.errors((INSERT, entry), (MODIFY, entry)) == ["INVALID_ARGUMENT", "OK"]
    assert primary.read() == []
    wanted = p4r.Entity(table_entry=p4r.TableEntry(table_id=MAC, is_default_action=True))
    assert primary.read(wanted) == [entry]


def test_members_groups_and_entries_hang_together(rich):
    profile = 285212673
    member = p4r.Entity(action_profile_member=p4r.ActionProfileMember(action_profile_id=profile, member_id=1))
    member.action_profile_member.action.CopyFrom(mac_entry().table_entry.action.action)
    group = p4r.Entity(action_profile_group=p4r.ActionProfileGroup(action_profile_id=profile, group_id=4))
    group.action_profile_group.members.add(member_id=1, weight=1)
    entry = p4r.Entity(table_entry=p4r.TableEntry(table_id=33554436))
    entry.table_entry.match.add(field_id=1, exact=p4r.FieldMatch.Exact(value=b"\x09"))
    entry.table_entry.action.action_profile_group_id = 4

    assert rich.errors((INSERT, entry), (INSERT, group)) == ["INVALID_ARGUMENT", "INVALID_ARGUMENT"]
    rich.write((INSERT, member), (INSERT, group), (INSERT, entry))
    assert rich.errors((DELETE, member), (DELETE, group)) == ["FAILED_PRECONDITION"] * 2
    anything = p4r.Entity(action_profile_member=p4r.ActionProfileMember(action_profile_id=profile))
    assert rich.read(anything) == [member]
    rich.write((DELETE, entry), (DELETE, group), (DELETE, member))
    assert rich.read(anything) == []


def test_multicast_groups_and_clone_sessions_are_kept_until_deleted(primary):
    group = p4r.PacketReplicationEngineEntry(
        multicast_group_entry=p4r.MulticastGroupEntry(
            multicast_group_id=5, replicas=[p4r.Replica(port=b"\x01", instance=1)]
        )
    )
    session = p4r.PacketReplicationEngineEntry(
        clone_session_entry=p4r.CloneSessionEntry(session_id=6, replicas=[p4r.Replica(port=b"\x01")])
    )
    entities = [p4r.Entity(packet_replication_engine_entry=entry) for entry in (group, session)]
    primary.write(*((INSERT, entity) for entity in entities))
    wildcards = [
        p4r.PacketReplicationEngineEntry(multicast_group_entry=p4r.MulticastGroupEntry()),
        p4r.PacketReplicationEngineEntry(clone_session_entry=p4r.CloneSessionEntry()),
    ]

    found = primary.read(*(p4r.Entity(packet_replication_engine_entry=entry) for entry in wildcards))

    assert found == entities
    assert primary.errors((INSERT, entities[0])) == ["ALREADY_EXISTS"]
    primary.write(*((DELETE, entity) for entity in entities))
    assert primary.errors((DELETE, entities[0])) == ["NOT_FOUND"]


def test_counters_read_zero_until_written_and_end_where_the_array_ends(primary):
    cell = p4r.CounterEntry(counter_id=SENT, index=p4r.Index(index=7))
    cell.data.packet_count = 3
    wildcard = p4r.Entity(counter_entry=p4r.CounterEntry(counter_id=SENT))
    assert len(primary.read(wildcard)) == 512
    assert not any(found.counter_entry.data.packet_count for found in primary.read(wildcard))

    primary.write((MODIFY, p4r.Entity(counter_entry=cell)))

    assert [f.counter_entry for f in primary.read(wildcard) if f.counter_entry.data.packet_count] == [cell]
    cell.index.index = 512
    assert primary.errors((MODIFY, p4r.Entity(counter_entry=cell))) == ["OUT_OF_RANGE"]
    cell.index.index = 0
    assert primary.errors((INSERT, p4r.Entity(counter_entry=cell))) == ["INVALID_ARGUMENT"]


def test_meters_registers_digests_and_value_sets_are_kept(rich):
    meter = p4r.MeterEntry(meter_id=335544321, index=p4r.Index(index=1), config=p4r.MeterConfig(cir=9))
    register = p4r.RegisterEntry(register_id=369098753, index=p4r.Index(index=2))
    register.data.bitstring = b"\x2a"
    digest = p4r.DigestEntry(digest_id=385875969, config=p4r.DigestEntry.Config(max_list_size=1))
    values = p4r.ValueSetEntry(value_set_id=50331649, members=[p4r.ValueSetMember()])
    rich.write(
        (MODIFY, p4r.Entity(meter_entry=meter)),
        (MODIFY, p4r.Entity(register_entry=register)),
        (INSERT, p4r.Entity(digest_entry=digest)),
        (MODIFY, p4r.Entity(value_set_entry=values)),
    )

    found = rich.read(
        p4r.Entity(meter_entry=p4r.MeterEntry(meter_id=335544321, index=p4r.Index(index=1))),
        p4r.Entity(register_entry=p4r.RegisterEntry(register_id=369098753, index=p4r.Index(index=2))),
        p4r.Entity(digest_entry=p4r.DigestEntry(digest_id=385875969)),
        p4r.Entity(value_set_entry=p4r.ValueSetEntry(value_set_id=50331649)),
    )

    assert [entity.WhichOneof("entity") for entity in found] == [
        "meter_entry",
        "register_entry",
        "digest_entry",
        "value_set_entry",
    ]
    assert found[0].meter_entry == meter
    assert found[1].register_entry == register


def test_an_atomic_write_is_not_offered(primary):
    with pytest.raises(grpc.RpcError) as caught:
        primary.write((INSERT, mac_entry()), atomicity=p4r.WriteRequest.Atomicity.ROLLBACK_ON_ERROR)
    assert code_of(caught) == "UNIMPLEMENTED"
    assert primary.read() == []


def test_anybody_may_read(switch, connect, primary):
    primary.write((INSERT, mac_entry()))

    assert connect(switch.address).read() == [mac_entry()]


def test_the_example_declares_what_its_source_has():
    source = (example.P4INFO.parent / "forward.p4").read_text()
    p4info = example_config().p4info

    assert re.findall(r"^    table (\w+)", source, re.MULTILINE) == [t.preamble.alias for t in p4info.tables]
    assert re.findall(r"^    action (\w+)", source, re.MULTILINE) == [a.preamble.alias for a in p4info.actions]
    assert re.findall(r"counter\((\d+)", source) == [str(c.size) for c in p4info.counters]
