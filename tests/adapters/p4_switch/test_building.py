"""P4 source is compiled where the site has the compiler, within bounds; a stand-in plays the compiler."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from adapters.emulators.p4runtime import example
from adapters.errors import DeviceRefused
from adapters.p4_switch import building
from tests.adapters.p4_switch.conftest import artefact, target_at

SOURCE = Path(example.__file__).with_name("forward.p4").read_bytes()
TARGET = target_at("127.0.0.1:1")

VERSION = 'if [ "$1" = --version ]; then echo "p4c 1.2.4.9 (SHA: 0123abc BUILD: Release)"; exit; fi\n'
COMPILES = (
    VERSION
    + """
[ "$1 $2 $3 $4 $5 $7" = "--target bmv2 --arch v1model --p4runtime-files -o" ] || { echo "$@"; exit 9; }
grep -q "A small learning aid" "$9" || exit 8
cat "$HERE/p4info" > "$6"
cat "$HERE/config" > "$8/forward.json"
echo "forward.p4(3): [--Wwarn=unused] warning: unused" >&2
"""
)


@pytest.fixture
def folder(monkeypatch) -> Iterator[Path]:
    # Where the worker is root the compiler runs as somebody else, who cannot enter a test's own folder.
    with TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "p4info").write_bytes(example.P4INFO.read_bytes())
        (place / "config").write_bytes(example.DEVICE_CONFIG.read_bytes())
        monkeypatch.setenv("PATH", name)
        yield place


def compiler(folder: Path, body: str) -> None:
    """Put a stand-in for p4c on the PATH."""
    script = folder / "p4c"
    script.write_text(f"#!/bin/sh\nHERE={folder}; SEEN=$PATH; PATH=/usr/bin:/bin\n{body}\n")
    script.chmod(0o755)


def source(content: bytes = SOURCE):
    return (replace(artefact("source", content), filename="forward.p4"),)


def refused(adapter, content: bytes = SOURCE) -> str:
    with pytest.raises(DeviceRefused) as refusal:
        adapter.build(TARGET, source(content))
    return str(refusal.value)


def test_a_site_without_a_compiler_says_so_and_what_to_do(adapter, folder):
    words = refused(adapter)
    assert words.startswith("This site has no P4 compiler; upload")
    assert "--p4runtime-files" in words


def test_source_becomes_the_two_files_and_a_note_of_what_made_them(adapter, folder):
    compiler(folder, COMPILES)
    p4info, config, log = adapter.build(TARGET, source())

    assert (p4info.name, p4info.filename) == ("p4info", "forward.p4info.txtpb")
    assert p4info.content == example.P4INFO.read_bytes()
    assert (config.name, config.filename) == ("device_config", "forward.json")
    assert (log.name, log.filename) == (building.LOG, "p4c 1.2.4.9")
    assert b"warning: unused" in log.content


def test_the_compiler_has_few_rights_and_nothing_of_the_worker(adapter, folder, monkeypatch):
    monkeypatch.setenv("SHARY_SECRET", "hidden")
    compiler(
        folder,
        'env; echo "id $(id -u)"; echo "memory $(ulimit -v)"; [ "$PWD" = "$TMPDIR" ] && echo at home; exit 1',
    )
    words = refused(adapter)
    assert "SHARY_SECRET" not in words
    assert "id 0\n" not in words
    assert os.getuid() == 0 or f"id {os.getuid()}\n" in words
    assert f"memory {2 << 20}\n" in words
    assert "at home" in words


def test_errors_of_the_compiler_reach_the_holder_without_our_folders(adapter, folder):
    compiler(folder, VERSION + 'echo "$9(7): [--Werror=type-error] error: x" >&2; exit 1')
    words = refused(adapter)
    assert "The compiler says:\nforward.p4(7): [--Werror=type-error] error: x" in words
    assert "/tmp" not in words


def test_a_compiler_that_hangs_is_stopped_with_all_it_started(adapter, folder, monkeypatch):
    monkeypatch.setattr(building, "WALL_CLOCK_LIMIT_S", 3.0)
    mark = folder / "pid"
    mark.touch()
    mark.chmod(0o666)
    compiler(folder, VERSION + 'sleep 600 & echo $! > "$HERE/pid"; wait')
    assert "did not finish within 3 s" in refused(adapter)
    with pytest.raises(ProcessLookupError):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            os.kill(int(mark.read_text()), 0)
            time.sleep(0.05)


@pytest.mark.parametrize(
    "bomb",
    [
        "dd if=/dev/zero of=/dev/null bs=3G count=1",
        "cat /dev/zero > big",
    ],
    ids=["memory", "disk"],
)
def test_a_bomb_harms_the_compiler_alone(adapter, folder, bomb):
    compiler(folder, f"{VERSION}ulimit -t 20\n{bomb}\nexit 3")
    assert "ompiler" in refused(adapter)


def test_what_is_said_without_end_is_cut_off(adapter, folder):
    compiler(folder, VERSION + "yes")
    assert len(refused(adapter)) < 6000


def test_a_link_in_place_of_a_file_is_not_followed(adapter, folder):
    compiler(folder, VERSION + 'ln -s /etc/passwd "$6"')
    assert "without writing forward.p4info.txtpb" in refused(adapter)


def test_files_that_do_not_fit_the_switch_are_not_handed_on(adapter, folder):
    compiler(folder, COMPILES + '\necho \'pkg_info { arch: "psa" }\' > "$6"')
    assert "does not fit the switch" in refused(adapter)


@pytest.mark.parametrize(
    "line",
    [
        '#include "/etc/passwd"',
        "#include </etc/passwd>",
        "  #  include_next <core.p4>",
        "#inc\\\nlude </etc/passwd>",
        "# /* x */ include </etc/passwd>",
        "%:include </etc/passwd>",
        "??=include </etc/passwd>",
        '#embed "/etc/passwd"',
        "#define F </etc/passwd>\n#include F",
        "#if __has_include(</etc/passwd>)\n#endif",
        "#import <core.p4>",
    ],
)
def test_source_includes_the_compilers_own_files_only(adapter, folder, line):
    compiler(folder, COMPILES)
    assert "one file" in refused(adapter, SOURCE + line.encode())


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\x7fELF\0", "no text"), (b"\xff\xfe", "no text"), (b" " * (1024 * 1024 + 1), "larger than 1024 KiB")],
)
def test_what_is_no_source_never_reaches_the_compiler(adapter, folder, content, words):
    compiler(folder, COMPILES)
    assert words in refused(adapter, content)
