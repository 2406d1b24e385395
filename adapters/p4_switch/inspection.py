"""The process that takes a holder's files apart. Run by `adapters.p4_switch.artefacts`, never imported.

Reads two length-prefixed files from standard input: P4Info, device configuration. Writes the name
of each before it opens it, and at the end a list of [field, message] as JSON. It limits itself first,
and loads nothing but the standard library and protobuf.
"""

import importlib.util
import json
import re
import resource
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CPU_LIMIT_S = 3
MEMORY_LIMIT_BYTES = 512 * 1024 * 1024
DEPTH_LIMIT = 64
PROBLEM_LIMIT = 20
NAME_LIMIT = 200

ARCHITECTURE = "v1model"
MATCH_TYPES = {2: "exact", 3: "lpm", 4: "ternary", 5: "range", 6: "optional"}
PREFIXES = {
    "tables": 0x02,
    "actions": 0x01,
    "action_profiles": 0x11,
    "counters": 0x12,
    "direct_counters": 0x13,
    "meters": 0x14,
    "direct_meters": 0x15,
    "registers": 0x16,
    "digests": 0x17,
}
ARRAYS = {"counters": "counter_arrays", "meters": "meter_arrays", "registers": "register_arrays"}
RECOMPILE = "Compile both files in one run: p4c --target bmv2 --arch v1model --p4runtime-files …"

ARCHIVES = {
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "compressed (gzip)",
    b"BZh": "compressed (bzip2)",
    b"\xfd7zXZ\x00": "compressed (xz)",
    b"\x28\xb5\x2f\xfd": "compressed (zstd)",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
}

Problems = list[tuple[str, str]]


def main() -> None:
    """Read the files, write what is wrong with them."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    p4info_bytes, config_bytes = (sys.stdin.buffer.read(_length()) for _ in range(2))
    problems: Problems = []
    _announce("p4info")
    p4info = read_p4info(p4info_bytes, problems)
    if sys.argv[1:] == ["describe"]:
        print(json.dumps(described(p4info) if not problems else {}))  # noqa: T201
        return
    _announce("device_config")
    program = read_program(config_bytes, problems)
    if not problems:
        compare(p4info, program, problems)
    print(json.dumps(problems[:PROBLEM_LIMIT]))  # noqa: T201  # standard output is the answer


def read_p4info(content: bytes, problems: Problems) -> Any:
    """Return the P4Info, from text or binary, after a look at all that the switch relies on."""
    if not content:
        problems.append(("p4info", "The file is empty."))
        return None
    if archive := _archive(content):
        problems.append(("p4info", f"The file is {archive}: unpack it, and upload the P4Info that was in it."))
        return None
    from google.protobuf import message, text_format, unknown_fields

    p4info = _p4info_type()()
    is_text = all(byte >= 32 or byte in b"\t\n\r" for byte in content[:4096])
    try:
        if is_text:
            text_format.Parse(content.decode(), p4info)
        else:
            p4info.ParseFromString(content)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        problems.append(("p4info", f"This is no P4Info in text form ({_first_line(error)}). {RECOMPILE}"))
        return None
    except (message.DecodeError, RecursionError):
        problems.append(("p4info", f"This is no P4Info: neither its text nor its binary form. {RECOMPILE}"))
        return None
    if len(unknown_fields.UnknownFieldSet(p4info)):
        problems.append(("p4info", f"This is some other protobuf file, or it is damaged. {RECOMPILE}"))
        return None
    if not p4info.tables and not p4info.actions:
        problems.append(("p4info", f"This P4Info has neither tables nor actions. {RECOMPILE}"))
    arch = p4info.pkg_info.arch
    if arch and arch != ARCHITECTURE:
        problems.append(
            ("p4info", f"The program was compiled for “{arch}”, this switch runs {ARCHITECTURE}. {RECOMPILE}")
        )
    if any("@shary" in annotation for annotation in p4info.pkg_info.annotations):
        problems.append(("p4info", "The annotations “@shary…” of pkg_info are SHARY's own marks: remove them."))
    problems += [("p4info", text) for text in _id_problems(p4info)]
    return p4info


def described(p4info: Any) -> dict[str, list[str]]:
    """Return the names by which people know a program."""
    return {
        kind: [entry.preamble.name for entry in getattr(p4info, kind)][:NAME_LIMIT]
        for kind in ("tables", "actions")
    }


def _id_problems(p4info: Any) -> Iterator[str]:
    ids: set[int] = set()
    for kind, prefix in PREFIXES.items():
        for entry in getattr(p4info, kind):
            number, name = entry.preamble.id, entry.preamble.name
            if not name:
                yield f"An entry of {kind} has no name."
            if number >> 24 != prefix:
                yield f"“{name}” has the id {number:#010x}, which is no id of {kind}."
            if number in ids:
                yield f"The id {number:#010x} is used twice, the second time by “{name}”."
            ids.add(number)
    actions = {action.preamble.id for action in p4info.actions}
    profiles = {profile.preamble.id for profile in p4info.action_profiles}
    for table in p4info.tables:
        name = table.preamble.name
        if any(ref.id not in actions for ref in table.action_refs):
            yield f"The table “{name}” refers to an action that the file does not define."
        if table.implementation_id and table.implementation_id not in profiles:
            yield f"The table “{name}” refers to an action profile that the file does not define."
        fields = [field.id for field in table.match_fields]
        if len(set(fields)) != len(fields):
            yield f"The table “{name}” has two match fields with one id."
        if table.size < 0:
            yield f"The table “{name}” has a negative size."


def read_program(content: bytes, problems: Problems) -> dict[str, Any]:
    """Return the BMv2 program, after a look at its shape."""

    def no(text: str) -> dict[str, Any]:
        problems.append(("device_config", text))
        return {}

    if not content:
        return no("The file is empty.")
    if archive := _archive(content):
        return no(f"The file is {archive}: unpack it, and upload the JSON that was in it.")
    start = content[:64].lstrip()
    if not start.startswith(b"{"):
        kind = "an ELF binary" if start.startswith(b"\x7fELF") else "no JSON object"
        return no(f"This is {kind}; BMv2 takes the JSON that p4c writes. {RECOMPILE}")
    try:
        program = json.loads(content)
    except RecursionError:
        return no("The JSON is nested too deeply to be a program.")
    except ValueError as error:
        return no(f"This is no JSON, or it was cut off ({_first_line(error)}). {RECOMPILE}")
    if _depth_exceeds(program, DEPTH_LIMIT):
        return no(f"The JSON is nested more than {DEPTH_LIMIT} levels deep: no program is.")
    missing = [
        key
        for key in ("parsers", "pipelines", "deparsers", "actions", "headers", "header_types")
        if not isinstance(program.get(key), list)
    ]
    if missing:
        return no(f"This JSON is no BMv2 program: it lacks {', '.join(missing)}. {RECOMPILE}")
    names = {kind: _names(program[kind]) for kind in ("parsers", "pipelines", "deparsers")}
    if names != {"parsers": {"parser"}, "pipelines": {"ingress", "egress"}, "deparsers": {"deparser"}}:
        found = ", ".join(sorted(set().union(*names.values()))) or "none"
        return no(
            f"The program was compiled for another architecture than {ARCHITECTURE} (its blocks: "
            f"{found[:200]}). {RECOMPILE}"
        )
    for pipeline in program["pipelines"]:
        tables = pipeline.get("tables")
        if not isinstance(tables, list) or not all(_is_table(table) for table in tables):
            return no(f"The tables of “{pipeline['name']}” are damaged. {RECOMPILE}")
    return dict(program)


def compare(p4info: Any, program: dict[str, Any], problems: Problems) -> None:
    """Note where the two files do not belong together."""
    built = {table["name"]: table for pipeline in program["pipelines"] for table in pipeline["tables"]}
    declared = {table.preamble.name: table for table in p4info.tables}
    actions = {action.preamble.id: action.preamble.name for action in p4info.actions}
    for name, table in declared.items():
        if name not in built:
            problems.append(
                ("device_config", f"The table “{name}” of the P4Info is not in the program. {RECOMPILE}")
            )
            continue
        keys = [key.get("match_type") for key in built[name]["key"] if isinstance(key, dict)]
        wanted = [MATCH_TYPES.get(field.match_type, field.other_match_type) for field in table.match_fields]
        if keys != wanted:
            in_program, in_p4info = ", ".join(map(str, keys)), ", ".join(wanted)
            text = (
                f"The table “{name}” matches on ({in_program}) in the program, on ({in_p4info}) in the P4Info."
            )
            problems.append(("device_config", f"{text} {RECOMPILE}"))
        found = [key.get("name") for key in built[name]["key"] if isinstance(key, dict)]
        called = [field.name for field in table.match_fields]
        # Older compilers write no names; then only how a field is matched can be compared.
        if all(isinstance(each, str) for each in found) and keys == wanted and found != called:
            text = (
                f"The table “{name}” matches on {', '.join(map(str, found))} in the program, on "
                f"{', '.join(called)} in the P4Info."
            )
            problems.append(("device_config", f"{text} {RECOMPILE}"))
        absent = {actions[ref.id] for ref in table.action_refs} - {
            action for action in built[name]["actions"] if isinstance(action, str)
        }
        if absent:
            problems.append(
                (
                    "device_config",
                    f"The table “{name}” lacks the actions {', '.join(sorted(absent))}. {RECOMPILE}",
                )
            )
    for name in built.keys() - declared.keys():
        # p4c writes bare statements as hidden tables, which the P4Info rightly leaves out.
        if not re.fullmatch(r"tbl_\w+", name):
            problems.append(("p4info", f"The table “{name}” of the program is not in the P4Info. {RECOMPILE}"))
    problems += [("device_config", f"{text} {RECOMPILE}") for text in _action_problems(p4info, program)]
    for kind, array in ARRAYS.items():
        there = _names(program.get(array))
        problems += [
            ("device_config", f"“{entry.preamble.name}” ({kind}) is not in the program. {RECOMPILE}")
            for entry in getattr(p4info, kind)
            if entry.preamble.name not in there
        ]


def _action_problems(p4info: Any, program: dict[str, Any]) -> Iterator[str]:
    """Compare the parameters of actions. The program has a copy of an action for each table that uses it."""
    built: dict[str, list[list[object]]] = {}
    for action in program["actions"]:
        parameters = action.get("runtime_data") if isinstance(action, dict) else None
        if isinstance(parameters, list):
            widths = [each.get("bitwidth") for each in parameters if isinstance(each, dict)]
            built.setdefault(str(action.get("name")), []).append(widths)
    for action in p4info.actions:
        name = action.preamble.name
        # A width of 0 is a type that the controller writes in its own way.
        declared = [parameter.bitwidth for parameter in action.params]
        for widths in built.get(name, []):
            same = len(widths) == len(declared) and all(
                not ours or ours == theirs for ours, theirs in zip(declared, widths, strict=True)
            )
            if not same:
                in_program, in_p4info = ", ".join(map(str, widths)), ", ".join(map(str, declared))
                yield (
                    f"The action “{name}” takes parameters of ({in_program}) bits in the program, of "
                    f"({in_p4info}) in the P4Info."
                )
                break


def _archive(content: bytes) -> str:
    if content[257:262] == b"ustar":
        return "a tar archive"
    return next((words for start, words in ARCHIVES.items() if content.startswith(start)), "")


def _is_table(table: object) -> bool:
    return (
        isinstance(table, dict)
        and isinstance(table.get("name"), str)
        and isinstance(table.get("key"), list)
        and isinstance(table.get("actions"), list)
    )


def _names(entries: object) -> set[str]:
    if not isinstance(entries, list):
        return set()
    return {str(entry.get("name")) for entry in entries if isinstance(entry, dict)}


def _depth_exceeds(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            if isinstance(parent, (dict, list))
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _p4info_type() -> Any:
    # The generated modules lie in the wheel of finsy; its own start-up loads grpc and much more.
    spec = importlib.util.find_spec("finsy")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("finsy")
    root = Path(spec.submodule_search_locations[0])
    for name, folder in (("finsy", root), ("finsy.proto", root / "proto")):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    from finsy.proto.p4.config.v1 import p4info_pb2

    return p4info_pb2.P4Info


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:120]


def _length() -> int:
    return int.from_bytes(sys.stdin.buffer.read(8), "big")


def _announce(name: str) -> None:
    print(name, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
