"""The program for the host, as the one file that an operator installs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.linux_host.build import build

SOURCE = Path(__file__).parents[3] / "adapters" / "gpu_ssh" / "host"
MODULES = sorted(SOURCE.rglob("*.py"))


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return build(
        "gpu_ssh", tmp_path_factory.mktemp("built") / "shary-gpu-host.pyz", python=f"{sys.executable} -I"
    )


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_it_is_written_for_the_oldest_python_of_a_host(module):
    tree = ast.parse(module.read_text(), feature_version=(3, 9))

    wanted = {
        name if name.startswith("adapters.") else name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [entry.name for entry in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and node.level == 0
            else []
        )
    }
    ours = {name for name in wanted if name.startswith("adapters.linux_host.host")}
    assert wanted - ours <= sys.stdlib_module_names
    assert not any(isinstance(node, ast.Match) for node in ast.walk(tree))


def test_the_file_runs_alone_from_anywhere(program, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('code of the caller was run')")

    done = subprocess.run(
        [str(program), "version"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "shary-gpu-host 1.0, protocol 1\n"


def test_without_a_configuration_it_answers_what_is_missing(program, tmp_path):
    request = '{"protocol": 1, "verb": "observe", "with_cards": false}'
    command = [str(program), "--config", str(tmp_path / "none.json")]

    done = subprocess.run(command, input=request, capture_output=True, text=True, check=True)

    assert '"problem": "invalid"' in done.stdout
    assert "none.json" in done.stdout


def test_the_set_up_can_be_checked_by_hand(real):
    good = subprocess.run(
        [str(real.program), "check", "--config", str(real.config)], capture_output=True, text=True
    )
    (real.driver / "params").unlink()
    bad = subprocess.run(
        [str(real.program), "check", "--config", str(real.config)], capture_output=True, text=True
    )

    assert (good.returncode, good.stderr) == (0, "")
    assert "NVIDIA H100 80GB HBM3" in good.stdout
    assert bad.returncode == 1
    assert "driver is not loaded" in bad.stderr


def test_the_file_is_built_where_it_is_wanted(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "adapters.gpu_ssh.build", "--output", str(tmp_path / "here.pyz")],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == str(tmp_path / "here.pyz")
    assert (tmp_path / "here.pyz").read_bytes().startswith(b"#!/usr/bin/python3 -I\n")
