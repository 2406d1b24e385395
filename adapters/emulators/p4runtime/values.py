"""Match keys and action parameters, checked against the P4Info of the program."""

from collections.abc import Iterable
from typing import Any

from adapters.emulators.p4runtime.refusals import Code, Refusal, invalid

EXACT, LPM, TERNARY, RANGE, OPTIONAL = 2, 3, 4, 5, 6
_FIELD_OF = {EXACT: "exact", LPM: "lpm", TERNARY: "ternary", RANGE: "range", OPTIONAL: "optional"}

Key = tuple[tuple[int, ...], ...]


def number(value: bytes, bitwidth: int, name: str) -> int:
    """Return the number that a byte string stands for."""
    if not value:
        raise invalid(f"{name}: an empty byte string is no value")
    found = int.from_bytes(value, "big")
    if bitwidth and found >> bitwidth:
        raise Refusal(Code.OUT_OF_RANGE, f"{name}: the value does not fit into {bitwidth} bits")
    return found


def match_key(table: Any, match: Iterable[Any]) -> Key:
    """Return what tells an entry of the table from the others, whatever the order of its fields."""
    fields = {field.id: field for field in table.match_fields}
    key: dict[int, tuple[int, ...]] = {}
    for part in match:
        field = fields.get(part.field_id)
        if field is None:
            raise invalid(f"{table.preamble.name} has no match field {part.field_id}")
        if part.field_id in key:
            raise invalid(f"{field.name} is given twice")
        key[part.field_id] = (part.field_id, *_match_value(field, part))
    for field in fields.values():
        if field.match_type == EXACT and field.id not in key:
            raise invalid(f"{field.name} is missing")
    return tuple(key[field_id] for field_id in sorted(key))


def _match_value(field: Any, part: Any) -> tuple[int, ...]:
    kind = part.WhichOneof("field_match_type")
    if kind != _FIELD_OF.get(field.match_type):
        raise invalid(f"{field.name} is not matched as {kind}")
    width, name = field.bitwidth, field.name
    match kind:
        case "exact":
            return (number(part.exact.value, width, name),)
        case "optional":
            return (number(part.optional.value, width, name),)
        case "lpm":
            value, length = number(part.lpm.value, width, name), part.lpm.prefix_len
            if not 0 < length <= width:
                raise invalid(f"{name}: a prefix has 1 to {width} bits; leave the field out to match all")
            if value & ((1 << (width - length)) - 1):
                raise invalid(f"{name}: bits are set beyond the prefix")
            return (value, length)
        case "ternary":
            value = number(part.ternary.value, width, name)
            mask = number(part.ternary.mask, width, name)
            if not mask or value & ~mask:
                raise invalid(f"{name}: leave the field out to match all; set no bits outside the mask")
            return (value, mask)
        case _:
            low, high = number(part.range.low, width, name), number(part.range.high, width, name)
            if low > high:
                raise invalid(f"{name}: the range is empty")
            return (low, high)


def check_action(actions: dict[int, Any], allowed: Iterable[int] | None, action: Any) -> None:
    """Refuse an action that the program does not have, or not here, or with other parameters."""
    declared = actions.get(action.action_id)
    if declared is None:
        raise invalid(f"there is no action {action.action_id:#x}")
    if allowed is not None and action.action_id not in allowed:
        raise invalid(f"{declared.preamble.name} is no action of this table")
    params = {param.id: param for param in declared.params}
    given = [param.param_id for param in action.params]
    if sorted(given) != sorted(params):
        raise invalid(f"{declared.preamble.name} takes the parameters {sorted(params)}, not {sorted(given)}")
    for param in action.params:
        number(param.value, params[param.param_id].bitwidth, params[param.param_id].name)


def needs_priority(table: Any) -> bool:
    """Say whether entries of the table can overlap."""
    return any(field.match_type in (TERNARY, RANGE, OPTIONAL) for field in table.match_fields)
