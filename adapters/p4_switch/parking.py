"""The program that a switch carries while nobody may use it: it drops every packet.

Without tables there is nothing to fill in, and whatever was on the switch before is gone with it.
"""

import json
from functools import cache

_STANDARD_METADATA = (
    *(("ingress_port", 9), ("egress_spec", 9), ("egress_port", 9), ("instance_type", 32)),
    *(("packet_length", 32), ("enq_timestamp", 32), ("enq_qdepth", 19), ("deq_timedelta", 32)),
    *(("deq_qdepth", 19), ("ingress_global_timestamp", 48), ("egress_global_timestamp", 48)),
    *(("mcast_grp", 16), ("egress_rid", 16), ("checksum_error", 1), ("parser_error", 32), ("priority", 3)),
)
_ERRORS = ("NoError", "PacketTooShort", "NoMatch", "StackOutOfBounds", "HeaderTooShort", "ParserTimeout")
_ALIASES = (
    *("queueing_metadata.enq_timestamp", "queueing_metadata.enq_qdepth", "queueing_metadata.deq_timedelta"),
    *("queueing_metadata.deq_qdepth", "intrinsic_metadata.ingress_global_timestamp"),
    *("intrinsic_metadata.egress_global_timestamp", "intrinsic_metadata.mcast_grp"),
    *("intrinsic_metadata.egress_rid", "intrinsic_metadata.priority"),
)
_EMPTY = (
    *("header_stacks", "header_union_types", "header_unions", "header_union_stacks", "field_lists", "enums"),
    *("parse_vsets", "meter_arrays", "counter_arrays", "register_arrays", "calculations", "learn_lists"),
    *("checksums", "force_arith", "extern_instances"),
)


@cache
def drop_all(architecture: str) -> bytes:
    """Return the device configuration that drops every packet; `ValueError` for an unknown target."""
    if architecture != "bmv2_v1model":
        raise ValueError(f"There is no drop-all program for “{architecture}”.")
    # v1model's 300 bits or so are padded to whole bytes, as the target wants them.
    width = sum(bits for _, bits in _STANDARD_METADATA)
    fields = [[name, bits, False] for name, bits in _STANDARD_METADATA] + [["_padding", -width % 8, False]]
    program: dict[str, object] = {name: [] for name in _EMPTY}
    program |= {
        "program": "parking.p4",
        "__meta__": {"version": [2, 23]},
        "header_types": [
            {"name": "scalars_0", "id": 0, "fields": []},
            {"name": "standard_metadata", "id": 1, "fields": fields},
        ],
        "headers": [
            {"name": "scalars", "id": 0, "header_type": "scalars_0", "metadata": True, "pi_omit": True},
            {
                "name": "standard_metadata",
                "id": 1,
                "header_type": "standard_metadata",
                "metadata": True,
                "pi_omit": True,
            },
        ],
        "errors": [[name, number] for number, name in enumerate(_ERRORS)],
        "field_aliases": [[alias, ["standard_metadata", alias.partition(".")[2]]] for alias in _ALIASES],
        "parsers": [
            {
                "name": "parser",
                "id": 0,
                "init_state": "start",
                "parse_states": [
                    {
                        "name": "start",
                        "id": 0,
                        "parser_ops": [],
                        "transitions": [{"type": "default", "value": None, "mask": None, "next_state": None}],
                        "transition_key": [],
                    }
                ],
            }
        ],
        "deparsers": [{"name": "deparser", "id": 0, "order": []}],
        "actions": [
            {
                "name": "parking_drop",
                "id": 0,
                "runtime_data": [],
                "primitives": [
                    {
                        "op": "mark_to_drop",
                        "parameters": [{"type": "header", "value": "standard_metadata"}],
                    }
                ],
            }
        ],
        "pipelines": [_ingress(), _pipeline("egress", number=1)],
    }
    return json.dumps(program, indent=1).encode()


def _ingress() -> dict[str, object]:
    pipeline = _pipeline("ingress", number=0)
    # Named as p4c names hidden tables: it is no table that a controller could see.
    pipeline |= {"init_table": "tbl_parking_drop", "tables": [_TABLE]}
    return pipeline


def _pipeline(name: str, *, number: int) -> dict[str, object]:
    return {
        "name": name,
        "id": number,
        "init_table": None,
        "tables": [],
        "action_profiles": [],
        "conditionals": [],
    }


_TABLE = {
    "name": "tbl_parking_drop",
    "id": 0,
    "key": [],
    "match_type": "exact",
    "type": "simple",
    "max_size": 1024,
    "with_counters": False,
    "support_timeout": False,
    "direct_meters": None,
    "action_ids": [0],
    "actions": ["parking_drop"],
    "base_default_next": None,
    "next_tables": {"parking_drop": None},
    "default_entry": {"action_id": 0, "action_const": True, "action_data": [], "action_entry_const": True},
}
