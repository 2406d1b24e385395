"""What controllers have written to the program that the switch runs."""

from collections.abc import Callable, Iterator
from typing import Any

from finsy.proto import p4r

from adapters.emulators.p4runtime.refusals import Code, Refusal, invalid
from adapters.emulators.p4runtime.values import check_action, match_key, needs_priority

INSERT, MODIFY, DELETE = 1, 2, 3
Path = tuple[Any, ...]
"""Where an entity lies: its kind, the id of its table or array, and what tells it from its neighbours."""


class Forwarding:
    """The entities of one program. Gone with the program."""

    def __init__(self, p4info: Any) -> None:
        self.p4info = p4info
        self.tables = {table.preamble.id: table for table in p4info.tables}
        self.actions = {action.preamble.id: action for action in p4info.actions}
        self.profiles = {profile.preamble.id: profile for profile in p4info.action_profiles}
        self.arrays = {
            "counter_entry": {entry.preamble.id: entry for entry in p4info.counters},
            "meter_entry": {entry.preamble.id: entry for entry in p4info.meters},
            "register_entry": {entry.preamble.id: entry for entry in p4info.registers},
            "value_set_entry": {entry.preamble.id: entry for entry in p4info.value_sets},
            "digest_entry": {entry.preamble.id: entry for entry in p4info.digests},
        }
        self.entities: dict[Path, p4r.Entity] = {}

    # --- writing --------------------------------------------------------------------------------

    def write(self, update: Any) -> None:
        """Apply one update, or refuse it whole."""
        kind = update.entity.WhichOneof("entity")
        if kind is None or update.type not in (INSERT, MODIFY, DELETE):
            raise invalid("an update has a type and an entity")
        if kind == "table_entry":
            place = self._table_entry(update)
        elif kind in ("action_profile_member", "action_profile_group"):
            place = self._profile_entry(update, kind)
        elif kind == "packet_replication_engine_entry":
            place = self._replication_entry(update)
        elif kind in self.arrays:
            place = self._array_entry(update, kind)
        elif kind in ("direct_counter_entry", "direct_meter_entry"):
            place = self._direct_entry(update, kind)
        else:
            raise Refusal(Code.UNIMPLEMENTED, f"{kind} is not supported")
        if place is not None:
            self._apply(update, *place)

    def _apply(self, update: Any, path: Path, room: int) -> None:
        exists = path in self.entities
        if update.type == INSERT:
            if exists:
                raise Refusal(Code.ALREADY_EXISTS, "the entity exists")
            if room and sum(other[:2] == path[:2] for other in self.entities) >= room:
                raise Refusal(Code.RESOURCE_EXHAUSTED, f"there is room for {room} only")
        elif not exists:
            raise Refusal(Code.NOT_FOUND, "there is no such entity")
        if update.type == DELETE:
            del self.entities[path]
            for kind in ("direct_counter_entry", "direct_meter_entry"):
                self.entities.pop((kind, *path[1:]), None)
        else:
            kept = p4r.Entity()
            kept.CopyFrom(update.entity)
            self.entities[path] = kept

    def _table_entry(self, update: Any) -> tuple[Path, int] | None:
        entry = update.entity.table_entry
        table = self.tables.get(entry.table_id)
        if table is None:
            raise invalid(f"there is no table {entry.table_id:#x}")
        if table.is_const_table:
            raise Refusal(Code.PERMISSION_DENIED, f"{table.preamble.name} is constant")
        if entry.is_default_action:
            if update.type != MODIFY or entry.match or entry.priority:
                raise invalid("a default entry is modified only, and has no match and no priority")
            self._set_default(table, entry)
            return None
        path = ("table_entry", entry.table_id, match_key(table, entry.match), entry.priority)
        if needs_priority(table) != (entry.priority > 0):
            raise invalid("a priority above 0 goes with ternary, range and optional fields, and only with them")
        if update.type != DELETE:
            if not entry.HasField("action"):
                raise invalid("an entry needs an action")
            self._check_table_action(table, entry.action)
        return path, table.size

    def _set_default(self, table: Any, entry: Any) -> None:
        path: Path = ("default", entry.table_id)
        if not entry.HasField("action"):
            self.entities.pop(path, None)  # back to what the program says
            return
        if table.const_default_action_id:
            raise Refusal(Code.PERMISSION_DENIED, f"the default action of {table.preamble.name} is constant")
        self._check_table_action(table, entry.action)
        self._keep(path, p4r.Entity(table_entry=entry))

    def _check_table_action(self, table: Any, action: Any) -> None:
        allowed = {ref.id for ref in table.action_refs}
        kind = action.WhichOneof("type")
        if (kind != "action") != bool(table.implementation_id):
            raise invalid(f"{table.preamble.name} takes its actions another way")
        match kind:
            case "action":
                check_action(self.actions, allowed, action.action)
            case "action_profile_action_set":
                for step in action.action_profile_action_set.action_profile_actions:
                    check_action(self.actions, allowed, step.action)
            case "action_profile_member_id" | "action_profile_group_id":
                number = getattr(action, kind)
                if (kind.removesuffix("_id"), table.implementation_id, number) not in self.entities:
                    raise invalid(f"there is no {kind.removesuffix('_id').replace('_', ' ')} {number}")
            case _:
                raise invalid("the action is empty")

    def _profile_entry(self, update: Any, kind: str) -> tuple[Path, int]:
        entry = getattr(update.entity, kind)
        profile = self.profiles.get(entry.action_profile_id)
        if profile is None:
            raise invalid(f"there is no action profile {entry.action_profile_id:#x}")
        number = entry.member_id if kind == "action_profile_member" else entry.group_id
        path: Path = (kind, entry.action_profile_id, number)
        if not number:
            raise invalid("0 is no id")
        if update.type == DELETE:
            if any(self._refers_to(other, path) for other in self.entities.values()):
                raise Refusal(Code.FAILED_PRECONDITION, "it is still in use")
        elif kind == "action_profile_member":
            check_action(self.actions, None, entry.action)
        else:
            for member in entry.members:
                if ("action_profile_member", entry.action_profile_id, member.member_id) not in self.entities:
                    raise invalid(f"there is no member {member.member_id}")
        return path, profile.size if kind == "action_profile_member" else 0

    def _refers_to(self, entity: Any, path: Path) -> bool:
        kind, profile, number = path
        if entity.HasField("table_entry"):
            table = self.tables[entity.table_entry.table_id]
            action = entity.table_entry.action
            field = f"{kind}_id"
            return bool(
                table.implementation_id == profile
                and action.WhichOneof("type") == field
                and getattr(action, field) == number
            )
        group = entity.action_profile_group
        return kind == "action_profile_member" and any(
            group.action_profile_id == profile and member.member_id == number for member in group.members
        )

    def _replication_entry(self, update: Any) -> tuple[Path, int]:
        entry = update.entity.packet_replication_engine_entry
        kind = entry.WhichOneof("type")
        if kind is None:
            raise invalid("the entry is empty")
        part = getattr(entry, kind)
        number = part.multicast_group_id if kind == "multicast_group_entry" else part.session_id
        if not number:
            raise invalid("0 is no id")
        replicas = [(replica.port or replica.egress_port, replica.instance) for replica in part.replicas]
        if len(set(replicas)) != len(replicas):
            raise invalid("two replicas are the same")
        return (kind, 0, number), 0

    def _array_entry(self, update: Any, kind: str) -> tuple[Path, int] | None:
        entry = getattr(update.entity, kind)
        number = _array_id(entry, kind)
        array = self.arrays[kind].get(number)
        if array is None:
            raise invalid(f"there is no {kind.removesuffix('_entry').replace('_', ' ')} {number:#x}")
        if kind == "digest_entry":
            return (kind, number), 0
        if update.type != MODIFY:
            raise invalid(f"a {kind} is modified only")
        if kind == "value_set_entry":
            self._keep((kind, number), update.entity)
            return None
        cells = range(array.size)
        if entry.HasField("index"):
            if entry.index.index not in cells:
                raise Refusal(Code.OUT_OF_RANGE, f"the index ends at {array.size - 1}")
            cells = range(entry.index.index, entry.index.index + 1)
        for cell in cells:
            kept = p4r.Entity()
            kept.CopyFrom(update.entity)
            getattr(kept, kind).index.index = cell
            self._keep((kind, number, cell), kept)
        return None

    def _direct_entry(self, update: Any, kind: str) -> tuple[Path, int] | None:
        entry = getattr(update.entity, kind).table_entry
        table = self.tables.get(entry.table_id)
        if table is None or update.type != MODIFY:
            raise invalid(f"a {kind} belongs to a table, and is modified only")
        path: Path = ("table_entry", entry.table_id, match_key(table, entry.match), entry.priority)
        if path not in self.entities:
            raise Refusal(Code.NOT_FOUND, "there is no such table entry")
        self._keep((kind, *path[1:]), update.entity)
        return None

    def _keep(self, path: Path, entity: Any) -> None:
        self.entities[path] = p4r.Entity()
        self.entities[path].CopyFrom(entity)

    def restore(self, entity: Any) -> None:
        """Take back an entity that was written before, in another process."""
        kind = entity.WhichOneof("entity")
        is_new = kind in ("table_entry", "action_profile_member", "action_profile_group", "digest_entry")
        is_new = is_new or kind == "packet_replication_engine_entry"
        if kind == "table_entry" and entity.table_entry.is_default_action:
            is_new = False
        kinds = p4r.Update.Type
        self.write(p4r.Update(type=kinds.INSERT if is_new else kinds.MODIFY, entity=entity))

    # --- reading --------------------------------------------------------------------------------

    def read(self, wanted: Any) -> Iterator[p4r.Entity]:
        """Yield what the request asks for; fields that are left out match all."""
        kind = wanted.WhichOneof("entity")
        match kind:
            case "table_entry":
                yield from self._read_table(wanted.table_entry)
            case "action_profile_member" | "action_profile_group":
                part = getattr(wanted, kind)
                number = part.member_id if kind == "action_profile_member" else part.group_id
                yield from self._kept(kind, part.action_profile_id, number)
            case "packet_replication_engine_entry":
                yield from self._read_replication(wanted.packet_replication_engine_entry)
            case "counter_entry" | "meter_entry" | "register_entry":
                yield from self._read_array(getattr(wanted, kind), kind)
            case "value_set_entry" | "digest_entry":
                yield from self._kept(kind, _array_id(getattr(wanted, kind), kind))
            case "direct_counter_entry" | "direct_meter_entry":
                entry = getattr(wanted, kind).table_entry
                yield from self._kept(kind, entry.table_id)
            case _:
                raise Refusal(Code.UNIMPLEMENTED, f"{kind} is not supported")

    def _kept(self, kind: str, *path: Any) -> Iterator[p4r.Entity]:
        for found, entity in self.entities.items():
            if found[0] == kind and all(
                not part or part == there for part, there in zip(path, found[1:], strict=False)
            ):
                yield entity

    def _read_table(self, entry: Any) -> Iterator[p4r.Entity]:
        if entry.table_id and entry.table_id not in self.tables:
            raise invalid(f"there is no table {entry.table_id:#x}")
        if entry.is_default_action:
            yield from self._read_defaults(entry.table_id)
        elif entry.match:
            key = match_key(self.tables[entry.table_id], entry.match)
            yield from self._kept("table_entry", entry.table_id, key, entry.priority)
        else:
            yield from self._kept("table_entry", entry.table_id)

    def _read_defaults(self, table_id: int) -> Iterator[p4r.Entity]:
        for number, table in self.tables.items():
            if table_id not in (0, number):
                continue
            kept = self.entities.get(("default", number))
            own = table.const_default_action_id or table.initial_default_action.action_id
            if kept is not None:
                yield kept
            elif own:
                entry = p4r.TableEntry(table_id=number, is_default_action=True)
                entry.action.action.action_id = own
                for argument in table.initial_default_action.arguments:
                    entry.action.action.params.add(param_id=argument.param_id, value=argument.value)
                yield p4r.Entity(table_entry=entry)

    def _read_replication(self, entry: Any) -> Iterator[p4r.Entity]:
        kind = entry.WhichOneof("type")
        if kind is None:
            raise invalid("the entry is empty")
        part = getattr(entry, kind)
        number = part.multicast_group_id if kind == "multicast_group_entry" else part.session_id
        yield from self._kept(kind, 0, number)

    def _read_array(self, entry: Any, kind: str) -> Iterator[p4r.Entity]:
        wanted = _array_id(entry, kind)
        if wanted and wanted not in self.arrays[kind]:
            raise invalid(f"there is no {kind.removesuffix('_entry')} {wanted:#x}")
        for number, array in self.arrays[kind].items():
            if wanted not in (0, number):
                continue
            cells = [entry.index.index] if entry.HasField("index") else range(array.size)
            for cell in cells:
                if cell not in range(array.size):
                    raise Refusal(Code.OUT_OF_RANGE, f"the index ends at {array.size - 1}")
                yield self.entities.get((kind, number, cell)) or _untouched(kind, number, cell)


def _array_id(entry: Any, kind: str) -> int:
    return int(getattr(entry, kind.replace("_entry", "_id")))


def _untouched(kind: str, number: int, cell: int) -> p4r.Entity:
    index = p4r.Index(index=cell)
    makers: dict[str, Callable[[], p4r.Entity]] = {
        "counter_entry": lambda: p4r.Entity(
            counter_entry=p4r.CounterEntry(counter_id=number, index=index, data=p4r.CounterData())
        ),
        "meter_entry": lambda: p4r.Entity(meter_entry=p4r.MeterEntry(meter_id=number, index=index)),
        "register_entry": lambda: p4r.Entity(register_entry=p4r.RegisterEntry(register_id=number, index=index)),
    }
    return makers[kind]()
