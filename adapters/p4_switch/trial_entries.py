"""One entry for any table of a P4Info, such as its program has to take."""

from typing import Any

from finsy.proto import p4r

EXACT, LPM, TERNARY, RANGE, OPTIONAL = 2, 3, 4, 5, 6
_DEFAULT_ONLY = 2
_MEMBER = 1


class NothingToTry(Exception):
    """No entry can be written to the table, or we do not know which; the words say why."""


def trial_entities(p4info: Any, table: Any) -> list[Any]:
    """Return what to write, in order; the table's entry is the last. Raises `NothingToTry`."""
    if table.is_const_table:
        raise NothingToTry("its entries are constant")
    if not table.match_fields:
        raise NothingToTry("it has no key, only a default action")
    actions = {action.preamble.id: action for action in p4info.actions}
    usable = [actions[ref.id] for ref in table.action_refs if ref.scope != _DEFAULT_ONLY and ref.id in actions]
    if not usable:
        raise NothingToTry("it has no action for entries")
    action = p4r.Action(
        action_id=usable[0].preamble.id,
        params=[p4r.Action.Param(param_id=parameter.id, value=b"\x01") for parameter in usable[0].params],
    )
    entry = p4r.TableEntry(table_id=table.preamble.id, match=[_match(each) for each in table.match_fields])
    if any(each.match_type in (TERNARY, RANGE, OPTIONAL) for each in table.match_fields):
        entry.priority = 1
    if not table.implementation_id:
        entry.action.action.CopyFrom(action)
        return [p4r.Entity(table_entry=entry)]
    if any(profile.with_selector for profile in p4info.action_profiles if _is_of(profile, table)):
        weighed = p4r.ActionProfileAction(action=action, weight=1)
        entry.action.action_profile_action_set.action_profile_actions.append(weighed)
        return [p4r.Entity(table_entry=entry)]
    member = p4r.ActionProfileMember(
        action_profile_id=table.implementation_id, member_id=_MEMBER, action=action
    )
    entry.action.action_profile_member_id = _MEMBER
    return [p4r.Entity(action_profile_member=member), p4r.Entity(table_entry=entry)]


def _is_of(profile: Any, table: Any) -> bool:
    return bool(profile.preamble.id == table.implementation_id)


def _match(field: Any) -> Any:
    match field.match_type:
        case 2:
            return p4r.FieldMatch(field_id=field.id, exact=p4r.FieldMatch.Exact(value=b"\x01"))
        case 3:
            return p4r.FieldMatch(field_id=field.id, lpm=_first_bit(field.bitwidth))
        case 4:
            return p4r.FieldMatch(
                field_id=field.id, ternary=p4r.FieldMatch.Ternary(value=b"\x01", mask=b"\x01")
            )
        case 5:
            return p4r.FieldMatch(field_id=field.id, range=p4r.FieldMatch.Range(low=b"\x00", high=b"\x01"))
        case 6:
            return p4r.FieldMatch(field_id=field.id, optional=p4r.FieldMatch.Optional(value=b"\x01"))
    raise NothingToTry(f"how “{field.name}” is matched is its architecture's own")


def _first_bit(bitwidth: int) -> Any:
    value = 1 << (bitwidth - 1)
    return p4r.FieldMatch.LPM(value=value.to_bytes((bitwidth + 7) // 8, "big"), prefix_len=1)
