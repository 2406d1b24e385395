"""A program is tried before the slot, on something that is not the device."""

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from finsy.proto import p4i
from google.protobuf import text_format

from adapters.contract import Artefact, Holder, LeaseOrder
from adapters.emulators.p4runtime import example
from adapters.p4_switch import rehearsal
from adapters.p4_switch.trial_entries import NothingToTry, trial_entities
from tests.adapters.p4_switch.conftest import artefact, example_artefacts, target_at

NOWHERE = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def bare_path(monkeypatch, tmp_path) -> Path:
    """A PATH with nothing on it that the test did not put there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def order(*artefacts: Artefact, **settings: object):
    starts_at = datetime(2030, 1, 1, tzinfo=UTC)
    return LeaseOrder(
        lease_id="5b1e7a3e-0d6f-4a8e-9d3c-3c9f4b6a7d21",
        epoch=0,
        revision=0,
        target=target_at(NOWHERE, **settings),
        covers=(),
        holder=Holder(username="researcher", project="network-group", ssh_keys=()),
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=1),
        artefacts=artefacts or example_artefacts(),
    )


def program_of(change) -> bytes:
    p4info = text_format.Parse(example.P4INFO.read_text(), p4i.P4Info())
    change(p4info)
    return text_format.MessageToString(p4info).encode()


def test_a_good_program_passes_and_the_device_is_never_spoken_to(adapter):
    found = adapter.rehearse(order())

    assert found.passed
    assert found.stage == rehearsal.EMULATED
    assert [step.name for step in found.steps] == [
        "files",
        "push",
        "read back",
        "table Forward.mac",
        "table Forward.ipv4",
    ]
    assert all("not tried" not in step.found for step in found.steps)


def test_a_typo_is_named_with_the_file_and_the_way_out(adapter):
    broken = artefact("p4info", example.P4INFO.read_bytes().replace(b"match_fields", b"match_felds", 1))
    found = adapter.rehearse(order(broken, example_artefacts()[1]))

    assert not found.passed
    (step,) = found.steps
    assert step.found.startswith("p4info: ")
    assert "match_felds" in step.found
    assert "p4c" in step.found


def test_a_table_that_takes_no_entry_fails_with_the_reason_of_the_switch(adapter, monkeypatch):
    # What the files do not show and the switch refuses: here, a table that is full from the start.
    monkeypatch.setattr(rehearsal, "trial_entities", lambda p4info, table: [*trial_entities(p4info, table)] * 2)
    found = adapter.rehearse(order())

    assert not found.passed
    last = found.steps[-1]
    assert (last.name, last.passed) == ("table Forward.mac", False)
    assert "the entity exists" in last.found


@pytest.mark.parametrize("kind", ["EXACT", "LPM", "TERNARY", "RANGE", "OPTIONAL"])
def test_there_is_an_entry_for_every_kind_of_match(adapter, kind):
    def change(p4info):
        p4info.tables[0].match_fields[0].match_type = p4i.MatchField.MatchType.Value(kind)

    program = json.loads(example.DEVICE_CONFIG.read_bytes())
    for pipeline in program["pipelines"]:
        for table in pipeline["tables"]:
            if table["name"] == "Forward.mac":
                table["key"][0]["match_type"] = kind.lower()
    files = (artefact("p4info", program_of(change)), artefact("device_config", json.dumps(program).encode()))
    found = adapter.rehearse(order(*files))

    assert found.passed, found.steps[-1]
    assert found.steps[3].found == "takes an entry and gives it back"


def test_a_table_of_an_action_profile_gets_its_member_first():
    p4info = text_format.Parse(example.P4INFO.read_text(), p4i.P4Info())
    p4info.action_profiles.add().preamble.id = 0x11000001
    p4info.tables[0].implementation_id = 0x11000001

    member, entry = trial_entities(p4info, p4info.tables[0])
    assert member.WhichOneof("entity") == "action_profile_member"
    assert entry.table_entry.action.action_profile_member_id == member.action_profile_member.member_id
    p4info.action_profiles[0].with_selector = True
    (entry,) = trial_entities(p4info, p4info.tables[0])
    assert entry.table_entry.action.WhichOneof("type") == "action_profile_action_set"


def test_constant_tables_and_those_without_a_key_are_left_alone():
    p4info = text_format.Parse(example.P4INFO.read_text(), p4i.P4Info())
    p4info.tables[0].is_const_table = True
    del p4info.tables[1].match_fields[:]
    for table, reason in zip(p4info.tables, ("constant", "no key"), strict=True):
        with pytest.raises(NothingToTry, match=reason):
            trial_entities(p4info, table)


def software_switch(folder: Path, how: str) -> None:
    """Put something on the PATH that takes the arguments of simple_switch_grpc."""
    script = folder / rehearsal.BMV2
    script.write_text(f"#!{sys.executable}\nimport os, sys\nsys.path.insert(0, {str(Path.cwd())!r})\n{how}\n")
    script.chmod(0o755)


def test_a_software_switch_of_the_site_is_used_where_there_is_one(adapter, bare_path):
    log = bare_path / "log"
    software_switch(
        bare_path,
        f"open({str(log)!r}, 'w').write(' '.join(sys.argv[1:]) + f' pid {{os.getpid()}}')\n"
        "listen = sys.argv[sys.argv.index('--grpc-server-addr') + 1]\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'adapters.emulators.p4runtime', '--listen', listen,"
        " '--personality', 'bmv2'])",
    )
    found = adapter.rehearse(order())

    assert found.passed
    assert found.stage == rehearsal.REAL
    said = log.read_text()
    assert said.startswith("--device-id 1 --no-p4 --thrift-port ")
    with pytest.raises(ProcessLookupError):
        os.kill(int(said.rpartition(" ")[2]), 0)


def test_a_software_switch_that_does_not_start_is_no_reason_to_give_up(adapter, bare_path):
    software_switch(bare_path, "sys.exit(3)")
    found = adapter.rehearse(order())

    assert found.passed
    assert found.stage == rehearsal.EMULATED
