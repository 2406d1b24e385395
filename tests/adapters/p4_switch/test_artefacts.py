"""Hostile and broken files are refused before anything else sees them, in words that help."""

import bz2
import copy
import gzip
import json
import lzma
import random
import resource

import pytest
from finsy.proto import p4i
from google.protobuf import text_format

from adapters.contract import Problem
from adapters.emulators.p4runtime import example
from adapters.p4_switch.inspection import CPU_LIMIT_S
from adapters.p4_switch.parking import drop_all
from adapters.p4_switch.settings import DESCRIPTION
from tests.adapters.p4_switch.conftest import artefact

P4INFO = example.P4INFO.read_bytes()
PROGRAM = example.DEVICE_CONFIG.read_bytes()


def problems(*, p4info: bytes = P4INFO, program: bytes = PROGRAM) -> tuple[Problem, ...]:
    """What the portal says about the two files."""
    return DESCRIPTION.check_parameters({}, (artefact("p4info", p4info), artefact("device_config", program)))


def children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def changed_p4info(change) -> bytes:
    p4info = text_format.Parse(P4INFO.decode(), p4i.P4Info())
    change(p4info)
    return text_format.MessageToString(p4info).encode()


def changed_program(change) -> bytes:
    program = copy.deepcopy(json.loads(PROGRAM))
    change(program)
    return json.dumps(program).encode()


def only(found: tuple[Problem, ...]) -> Problem:
    assert len(found) == 1, found
    return found[0]


def test_a_program_that_fits_is_accepted():
    assert problems() == ()


def test_a_binary_p4info_is_as_good_as_a_text():
    binary = text_format.Parse(P4INFO.decode(), p4i.P4Info()).SerializeToString()

    assert problems(p4info=binary) == ()


def test_a_look_takes_little_work():
    began = children_cpu_s()
    problems()

    assert children_cpu_s() - began < 1


def test_both_files_are_needed():
    found = DESCRIPTION.check_parameters({}, ())

    assert {problem.field for problem in found} == {"p4info", "device_config"}


def test_files_beyond_their_limits_are_not_even_opened():
    assert only(problems(p4info=b"#" * (1024 * 1024 + 1))).field == "p4info"
    assert only(problems(program=b" " * (32 * 1024 * 1024 + 1))).field == "device_config"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (P4INFO[:300], "no P4Info"),
        (P4INFO.replace(b"\n", b"\n\x00", 1), "no P4Info"),
        (random.Random(1).randbytes(5000), "no P4Info"),
        (b"\x82\x7d\x03abc", "other protobuf"),
        (b'tables { preamble { id: 1 name: "x" } }', "no id of tables"),
        (b"pkg_info { arch: 'v1model' }", "neither tables nor actions"),
        (b"<html>Not found</html>", "no P4Info"),
        (PROGRAM, "no P4Info"),
        (b"\xff\xfe\x00\x00", "no P4Info"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_what_is_no_p4info_is_named(content, says):
    found = problems(p4info=content)

    assert {problem.field for problem in found} == {"p4info"}
    assert says in found[0].message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: setattr(p.pkg_info, "arch", "tna"), "compiled for “tna”"),
        (lambda p: p.pkg_info.annotations.append('@shary_lease("x", 1, "open", 1, 1)'), "SHARY's own"),
        (lambda p: p.tables.append(p.tables[0]), "used twice"),
        (lambda p: p.tables[0].action_refs.add(id=16777999), "does not define"),
        (lambda p: setattr(p.tables[0], "implementation_id", 285212999), "does not define"),
        (lambda p: p.tables[0].match_fields.append(p.tables[0].match_fields[0]), "one id"),
        (lambda p: setattr(p.actions[0].preamble, "name", ""), "no name"),
        (lambda p: setattr(p.tables[0], "size", -1), "negative size"),
    ],
)
def test_a_p4info_that_contradicts_itself_is_refused(change, says):
    found = problems(p4info=changed_p4info(change))

    assert {problem.field for problem in found} == {"p4info"}
    assert any(says in problem.message for problem in found)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (PROGRAM[:2000], "cut off"),
        (random.Random(2).randbytes(5000), "no JSON object"),
        (b"[1, 2, 3]", "no JSON object"),
        (b"\x7fELF\x02\x01\x01", "ELF"),
        (b'{"not": "p4"}', "no BMv2 program"),
        (b'{"chip_list": [], "p4_devices": []}', "no BMv2 program"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "nested"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "nested"),
        (b"{" * 1_000_000, "cut off"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_what_is_no_program_is_named(content, says):
    problem = only(problems(program=content))

    assert problem.field == "device_config"
    assert says in problem.message


def rename_parser(program):
    program["parsers"][0]["name"] = "ingress_parser"


def rename_table(program):
    program["pipelines"][0]["tables"][0]["name"] = "Other.mac"


def match_otherwise(program):
    program["pipelines"][0]["tables"][0]["key"][0]["match_type"] = "ternary"


def lose_an_action(program):
    program["pipelines"][0]["tables"][0]["actions"].remove("Forward.send")


def damage_a_table(program):
    program["pipelines"][0]["tables"][0] = 7


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (rename_parser, "another architecture"),
        (rename_table, "“Forward.mac” of the P4Info is not in the program"),
        (match_otherwise, "matches on (ternary)"),
        (lose_an_action, "lacks the actions Forward.send"),
        (damage_a_table, "damaged"),
        (lambda program: program.update(pipelines=7), "lacks pipelines"),
        (lambda program: program["pipelines"].append({}), "another architecture"),
        (lambda program: program.update(counter_arrays=[]), "“Forward.sent” (counters)"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(change, says):
    found = problems(program=changed_program(change))

    assert "device_config" in {problem.field for problem in found}
    assert any(says in problem.message for problem in found)


def test_a_table_that_the_p4info_hides_is_refused_unless_the_compiler_made_it():
    drop = {"name": "x", "key": [], "actions": []}

    def add(name):
        return changed_program(lambda p: p["pipelines"][1]["tables"].append(drop | {"name": name}))

    assert "not in the P4Info" in only(problems(program=add("Secret.table"))).message
    assert problems(program=add("tbl_forward42")) == ()


def test_a_file_that_eats_memory_is_stopped():
    # 27 MB that would become gigabytes of empty lists.
    greedy = b'{"parsers": [' + b"[]," * 9_000_000 + b"1]}"

    problem = only(problems(program=greedy))

    assert problem.field == "device_config"
    assert "time and memory" in problem.message


def test_the_most_laborious_text_stays_within_the_time_that_a_file_may_take():
    laborious = b"pkg_info{annotations:[" + b"''," * 349_000 + b"'']}"
    began = children_cpu_s()

    assert {problem.field for problem in problems(p4info=laborious)} == {"p4info"}
    assert children_cpu_s() - began < CPU_LIMIT_S + 1


def test_our_own_parking_program_would_pass_its_own_inspection():
    p4info = b'pkg_info { arch: "v1model" } actions { preamble { id: 16777217 name: "none" } }'

    assert problems(p4info=p4info, program=drop_all("bmv2_v1model")) == ()


@pytest.mark.parametrize("slot", ["p4info", "program"])
@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, lambda content: b"PK\x03\x04" + content]
)
def test_an_archive_is_named_and_never_unpacked(slot, pack):
    found = only(problems(**{slot: pack(P4INFO if slot == "p4info" else PROGRAM)}))

    assert "unpack it" in found.message


def test_actions_have_the_same_parameters_in_both_files():
    def change(program):
        for action in program["actions"]:
            if action["name"] == "Forward.send":
                action["runtime_data"][0]["bitwidth"] = 16

    found = only(problems(program=changed_program(change)))

    assert found.field == "device_config"
    assert "“Forward.send” takes parameters of (16) bits in the program, of (9) in the P4Info" in found.message


def test_match_fields_have_the_same_names_in_both_files():
    def change(p4info):
        p4info.tables[0].match_fields[0].name = "hdr.ethernet.src"

    named = changed_program(
        lambda program: [
            key.update(name=".".join(["hdr", *key["target"]]))
            for pipeline in program["pipelines"]
            for table in pipeline["tables"]
            for key in table["key"]
        ]
    )
    assert problems(program=named) == ()
    found = only(problems(p4info=changed_p4info(change), program=named))
    assert "matches on hdr.ethernet.dst in the program, on hdr.ethernet.src in the P4Info" in found.message
