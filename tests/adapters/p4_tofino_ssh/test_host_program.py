"""The program for the switch, as the one file that an operator installs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.linux_host.build import build
from adapters.linux_host.host.problems import Invalid
from adapters.p4_tofino_ssh.host.configuration import configuration_from

ADAPTERS = Path(__file__).parents[3] / "adapters"
MODULES = sorted(
    module
    for package in ("linux_host", "p4_tofino_ssh")
    for module in (ADAPTERS / package / "host").rglob("*.py")
)


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (entry.name for entry in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ADAPTERS)))
def test_it_is_written_for_the_oldest_python_of_a_host(module):
    tree = ast.parse(module.read_text(), feature_version=(3, 9))

    strange = [
        name
        for name in imported(tree)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("adapters.linux_host.host")
    ]
    assert strange == []
    assert not any(isinstance(node, ast.Match) for node in ast.walk(tree))


def test_the_file_runs_alone_from_anywhere(tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('code of the caller was run')")
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "__init__.py").write_text("raise SystemExit('code of the caller was run')")
    program = build("p4_tofino_ssh", tmp_path / "program.pyz", python=f"{sys.executable} -I")

    done = subprocess.run(
        [str(program), "version"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "shary-switch-host 1.0, protocol 1\n"


def test_the_file_is_built_where_it_is_wanted(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "adapters.p4_tofino_ssh.build", "--output", str(tmp_path / "here.pyz")],
        cwd=ADAPTERS.parent,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == str(tmp_path / "here.pyz")
    assert (tmp_path / "here.pyz").read_bytes().startswith(b"#!/usr/bin/python3 -I\n")


@pytest.mark.parametrize(
    "values",
    [
        [],
        {"restore": ["true"]},
        {"tenants": "p4", "restore": []},
        {"tenants": "p4", "restore": "true"},
        {"tenants": "p4", "restore": ["true"], "wipe": ["/"]},
        {"tenants": "p4", "restore": ["true"], "wipe": ["/tmp/../etc"]},
        {"tenants": "p4", "restore": ["true"], "keys": "/etc/ssh/keys"},
        {"tenants": "p4", "restore": ["true"], "looks": [{"name": "image", "command": [], "expect": ""}]},
        {"tenants": "p4", "restore": ["true"], "looks": [{"name": "image"}]},
        {"tenants": "p4", "restore": ["true"], "restor": 1},
    ],
    ids=str,
)
def test_a_configuration_that_cannot_work_is_named(values):
    with pytest.raises(Invalid, match="the file"):
        configuration_from(values, "the file")
