"""What a controller may have left on a switch, kind by kind, how to ask for it, and how to take it away."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from finsy.proto import p4r

from adapters.contract import Check
from adapters.errors import DeviceRefused
from adapters.p4_switch.client import NotOffered, P4RuntimeClient
from adapters.p4_switch.election import ElectionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of thing that a controller can write."""

    name: str
    wildcards: Callable[[Any], list[p4r.Entity]]
    """What to ask for, given the P4Info of the program; empty when the program has none of the kind."""
    everywhere: p4r.Entity
    """Asks for all of all, where the program declares none: not every switch knows how."""
    is_left_over: Callable[[Any, p4r.Entity], bool] = lambda _p4info, _entity: True
    """Says whether an entity was written by somebody, rather than being part of the program."""
    cleared: Callable[[p4r.Entity], p4r.Entity] | None = None
    """Returns what to write over it; None: it can be deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residue:
    """What was found of one kind."""

    kind: Kind
    entities: tuple[p4r.Entity, ...]
    remark: str = ""
    """Why nothing was found, when that says less than it seems."""


def look_for_residue(client: P4RuntimeClient, p4info: Any) -> Iterator[Residue]:
    """Yield, for each kind, what somebody wrote to the program that the switch runs."""
    for kind in KINDS:
        declared = kind.wildcards(p4info)
        remark = "" if declared else "the program declares none"
        try:
            read = client.read(declared or [kind.everywhere])
            found = tuple(entity for entity in read if kind.is_left_over(p4info, entity))
        except NotOffered:
            found, remark = (), remark or "the switch does not offer them"
        except DeviceRefused:
            if declared:
                raise
            found = ()
        yield Residue(kind=kind, entities=found, remark=remark)


def clear_residue(client: P4RuntimeClient, p4info: Any, election_id: ElectionId) -> None:
    """Delete or reset what outlived the change of program; the proof will name what remains."""
    for residue in look_for_residue(client, p4info):
        with suppress(DeviceRefused):
            if residue.kind.cleared is None and residue.entities:
                client.delete(residue.entities, election_id)
            elif residue.kind.cleared is not None and residue.entities:
                client.modify([residue.kind.cleared(entity) for entity in residue.entities], election_id)


def residue_checks(client: P4RuntimeClient, p4info: Any) -> Iterator[Check]:
    """Yield a check for each kind: nothing of it may be there."""
    for residue in look_for_residue(client, p4info):
        yield Check(
            name=residue.kind.name,
            expected="0",
            found=f"{len(residue.entities)}" + (f" ({residue.remark})" if residue.remark else ""),
            passed=not residue.entities,
            method="wildcard Read on a new connection without control",
        )


def check_earlier_program(client: P4RuntimeClient, p4info: Any) -> Check:
    """Ask for all that an earlier program declared, by its numbers: a clean switch knows none of them."""
    asked, left = 0, []
    for kind in KINDS:
        for wildcard in kind.wildcards(p4info):
            if wildcard.WhichOneof("entity") == "packet_replication_engine_entry":
                continue  # belongs to no program, and was asked for
            for each in _of_each_table(p4info, wildcard):
                asked += 1
                try:
                    left += [kind.name for found in client.read([each]) if kind.is_left_over(p4info, found)]
                except (NotOffered, DeviceRefused):
                    continue
    return Check(
        name="what the lease's program declared",
        expected="0",
        found=f"{len(left)}" + (f": {', '.join(sorted(set(left)))}" if left else f" of {asked} numbers asked"),
        passed=not left,
        method="Read of each table, profile and array by its number in the holder's P4Info",
    )


def _of_each_table(p4info: Any, wildcard: p4r.Entity) -> Iterator[p4r.Entity]:
    if wildcard.WhichOneof("entity") != "table_entry" or wildcard.table_entry.table_id:
        yield wildcard
        return
    for table in p4info.tables:
        yield p4r.Entity(table_entry=p4r.TableEntry(table_id=table.preamble.id))


def _written_by_somebody(p4info: Any, entity: p4r.Entity) -> bool:
    entry = entity.table_entry
    own = {table.preamble.id for table in p4info.tables if table.is_const_table or table.has_initial_entries}
    return not (entry.is_default_action or entry.is_const or entry.table_id in own)


def _default_was_changed(p4info: Any, entity: p4r.Entity) -> bool:
    entry = entity.table_entry
    table = next((each for each in p4info.tables if each.preamble.id == entry.table_id), None)
    if not entry.HasField("action"):
        return False
    if table is None:
        return True
    own = table.const_default_action_id or table.initial_default_action.action_id
    if not own:
        return False  # older compilers do not say which action the program itself has there
    wanted = {each.param_id: each.value.lstrip(b"\0") for each in table.initial_default_action.arguments}
    found = {each.param_id: each.value.lstrip(b"\0") for each in entry.action.action.params}
    return entry.action.action.action_id != own or (bool(wanted) and found != wanted)


def _of_each(declared: str, entity: str, number: str) -> Callable[[Any], list[p4r.Entity]]:
    """Ask for all cells of each counter, meter or register: not every switch knows “all of all”."""
    return lambda p4info: [
        _entity(entity, **{number: entry.preamble.id}) for entry in getattr(p4info, declared)
    ]


def _of_each_direct(declared: str, entity: str) -> Callable[[Any], list[p4r.Entity]]:
    return lambda p4info: [
        _entity(entity, table_entry=p4r.TableEntry(table_id=entry.direct_table_id))
        for entry in getattr(p4info, declared)
    ]


def _entity(name: str, **fields: Any) -> p4r.Entity:
    made = p4r.Entity()
    part = getattr(made, name)
    part.SetInParent()
    part.MergeFrom(type(part)(**fields))
    return made


def _without(name: str, field: str) -> Callable[[p4r.Entity], p4r.Entity]:
    """Return how to write an entity anew with a field as it was in the beginning."""

    def cleared(entity: p4r.Entity) -> p4r.Entity:
        made = p4r.Entity()
        made.CopyFrom(entity)
        getattr(made, name).ClearField(field)
        return made

    return cleared


def _register_is_set(p4info: Any, entity: p4r.Entity) -> bool:
    value = entity.register_entry.data
    return any(value.bitstring) if value.WhichOneof("data") == "bitstring" else value.ByteSize() > 0


def _zeroed_counter(entity: p4r.Entity) -> p4r.Entity:
    made = _without("counter_entry", "data")(entity)
    made.counter_entry.data.SetInParent()
    return made


def _zeroed_register(entity: p4r.Entity) -> p4r.Entity:
    made = p4r.Entity()
    made.CopyFrom(entity)
    if made.register_entry.data.WhichOneof("data") == "bitstring":
        made.register_entry.data.bitstring = b"\0"
    return made


def _replication(**kind: Any) -> p4r.Entity:
    return p4r.Entity(packet_replication_engine_entry=p4r.PacketReplicationEngineEntry(**kind))


_TABLES = p4r.Entity(table_entry=p4r.TableEntry())
_DEFAULTS = p4r.Entity(table_entry=p4r.TableEntry(is_default_action=True))
_GROUPS = _replication(multicast_group_entry=p4r.MulticastGroupEntry())
_CLONES = _replication(clone_session_entry=p4r.CloneSessionEntry())

KINDS = (
    Kind(
        name="direct counters",
        wildcards=_of_each_direct("direct_counters", "direct_counter_entry"),
        everywhere=_entity("direct_counter_entry", table_entry=p4r.TableEntry()),
        is_left_over=lambda _p4info, entity: entity.direct_counter_entry.data.ByteSize() > 0,
        cleared=_without("direct_counter_entry", "data"),
    ),
    Kind(
        name="direct meters",
        wildcards=_of_each_direct("direct_meters", "direct_meter_entry"),
        everywhere=_entity("direct_meter_entry", table_entry=p4r.TableEntry()),
        is_left_over=lambda _p4info, entity: entity.direct_meter_entry.config.ByteSize() > 0,
        cleared=_without("direct_meter_entry", "config"),
    ),
    Kind(
        name="table entries",
        wildcards=lambda _p4info: [_TABLES],
        everywhere=_TABLES,
        is_left_over=_written_by_somebody,
    ),
    Kind(
        name="default actions",
        wildcards=lambda p4info: [
            _entity("table_entry", table_id=table.preamble.id, is_default_action=True)
            for table in p4info.tables
            if not table.const_default_action_id
        ],
        everywhere=_DEFAULTS,
        is_left_over=_default_was_changed,
        cleared=_without("table_entry", "action"),
    ),
    Kind(
        name="action profile groups",
        wildcards=_of_each("action_profiles", "action_profile_group", "action_profile_id"),
        everywhere=_entity("action_profile_group"),
    ),
    Kind(
        name="action profile members",
        wildcards=_of_each("action_profiles", "action_profile_member", "action_profile_id"),
        everywhere=_entity("action_profile_member"),
    ),
    Kind(name="multicast groups", wildcards=lambda _p4info: [_GROUPS], everywhere=_GROUPS),
    Kind(name="clone sessions", wildcards=lambda _p4info: [_CLONES], everywhere=_CLONES),
    Kind(
        name="counters",
        wildcards=_of_each("counters", "counter_entry", "counter_id"),
        everywhere=_entity("counter_entry"),
        is_left_over=lambda _p4info, entity: entity.counter_entry.data.ByteSize() > 0,
        cleared=_zeroed_counter,
    ),
    Kind(
        name="meters",
        wildcards=_of_each("meters", "meter_entry", "meter_id"),
        everywhere=_entity("meter_entry"),
        is_left_over=lambda _p4info, entity: entity.meter_entry.config.ByteSize() > 0,
        cleared=_without("meter_entry", "config"),
    ),
    Kind(
        name="registers",
        wildcards=_of_each("registers", "register_entry", "register_id"),
        everywhere=_entity("register_entry"),
        is_left_over=_register_is_set,
        cleared=_zeroed_register,
    ),
    Kind(
        name="value sets",
        wildcards=_of_each("value_sets", "value_set_entry", "value_set_id"),
        everywhere=_entity("value_set_entry"),
        is_left_over=lambda _p4info, entity: len(entity.value_set_entry.members) > 0,
        cleared=_without("value_set_entry", "members"),
    ),
    Kind(
        name="digests",
        wildcards=_of_each("digests", "digest_entry", "digest_id"),
        everywhere=_entity("digest_entry"),
        is_left_over=lambda _p4info, entity: entity.digest_entry.HasField("config"),
    ),
)
"""In the order in which they can be deleted: what refers to others comes before them."""
