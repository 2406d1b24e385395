"""What a controller may have left on a switch, kind by kind, and how to ask for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from finsy.proto import p4r

from adapters.p4_switch.client import NotOffered, P4RuntimeClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of thing that a controller can write."""

    name: str
    wildcards: Callable[[Any], list[p4r.Entity]]
    """What to ask for, given the P4Info of the program; empty when the program has none of the kind."""
    is_left_over: Callable[[Any, p4r.Entity], bool] = lambda _p4info, _entity: True
    """Says whether an entity was written by somebody, rather than being part of the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residue:
    """What was found of one kind."""

    kind: str
    entities: tuple[p4r.Entity, ...]
    remark: str = ""
    """Why nothing was asked, when nothing was asked."""


def look_for_residue(client: P4RuntimeClient, p4info: Any) -> Iterator[Residue]:
    """Yield, for each kind, what somebody wrote to the program that the switch runs."""
    for kind in KINDS:
        wildcards = kind.wildcards(p4info)
        if not wildcards:
            yield Residue(kind=kind.name, entities=(), remark="the program declares none")
            continue
        try:
            found = tuple(entity for entity in client.read(wildcards) if kind.is_left_over(p4info, entity))
        except NotOffered:
            yield Residue(kind=kind.name, entities=(), remark="the switch does not offer them")
        else:
            yield Residue(kind=kind.name, entities=found)


def _written_by_somebody(p4info: Any, entity: p4r.Entity) -> bool:
    entry = entity.table_entry
    own = {table.preamble.id for table in p4info.tables if table.is_const_table or table.has_initial_entries}
    return not (entry.is_default_action or entry.is_const or entry.table_id in own)


def _of_each(declared: str, entity: str, number: str) -> Callable[[Any], list[p4r.Entity]]:
    """Ask for all cells of each counter, meter or register: not every switch knows “all of all”."""

    def wildcards(p4info: Any) -> list[p4r.Entity]:
        asked = []
        for entry in getattr(p4info, declared):
            wildcard = p4r.Entity()
            part = getattr(wildcard, entity)
            part.SetInParent()
            setattr(part, number, entry.preamble.id)
            asked.append(wildcard)
        return asked

    return wildcards


def _register_is_set(p4info: Any, entity: p4r.Entity) -> bool:
    value = entity.register_entry.data
    return any(value.bitstring) if value.WhichOneof("data") == "bitstring" else value.ByteSize() > 0


def _all_tables(p4info: Any) -> list[p4r.Entity]:
    return [p4r.Entity(table_entry=p4r.TableEntry())]


def _replication(**kind: Any) -> list[p4r.Entity]:
    return [p4r.Entity(packet_replication_engine_entry=p4r.PacketReplicationEngineEntry(**kind))]


KINDS = (
    Kind(name="table entries", wildcards=_all_tables, is_left_over=_written_by_somebody),
    Kind(
        name="action profile groups",
        wildcards=_of_each("action_profiles", "action_profile_group", "action_profile_id"),
    ),
    Kind(
        name="action profile members",
        wildcards=_of_each("action_profiles", "action_profile_member", "action_profile_id"),
    ),
    Kind(
        name="multicast groups",
        wildcards=lambda _p4info: _replication(multicast_group_entry=p4r.MulticastGroupEntry()),
    ),
    Kind(
        name="clone sessions",
        wildcards=lambda _p4info: _replication(clone_session_entry=p4r.CloneSessionEntry()),
    ),
    Kind(
        name="counters",
        wildcards=_of_each("counters", "counter_entry", "counter_id"),
        is_left_over=lambda _p4info, entity: entity.counter_entry.data.ByteSize() > 0,
    ),
    Kind(
        name="meters",
        wildcards=_of_each("meters", "meter_entry", "meter_id"),
        is_left_over=lambda _p4info, entity: entity.meter_entry.config.ByteSize() > 0,
    ),
    Kind(
        name="registers",
        wildcards=_of_each("registers", "register_entry", "register_id"),
        is_left_over=_register_is_set,
    ),
    Kind(
        name="value sets",
        wildcards=_of_each("value_sets", "value_set_entry", "value_set_id"),
        is_left_over=lambda _p4info, entity: len(entity.value_set_entry.members) > 0,
    ),
    Kind(
        name="digests",
        wildcards=_of_each("digests", "digest_entry", "digest_id"),
        is_left_over=lambda _p4info, entity: entity.digest_entry.HasField("config"),
    ),
)
"""In the order in which they can be deleted: what refers to others comes before them."""
