"""The virtual environment, on a copy of the script beside a lock file of its own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shary_portal.quickstart import environment

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path):
    script = tmp_path / "shary_portal" / "quickstart" / "environment.py"
    script.parent.mkdir(parents=True)
    shutil.copy(environment.__file__, script)
    (tmp_path / "requirements.lock").write_text("# nothing is pinned here\n")
    return tmp_path


def make(checkout):
    script = checkout / "shary_portal" / "quickstart" / "environment.py"
    return subprocess.run(
        [sys.executable, str(script), "requirements.lock"], capture_output=True, text=True, check=False
    )


def test_the_first_call_makes_it_and_the_second_does_nothing(checkout):
    first = make(checkout)
    assert first.returncode == 0, first.stderr
    assert "Making the virtual environment" in first.stdout
    second = make(checkout)
    assert (second.returncode, second.stdout) == (0, "")


def test_one_that_was_left_half_made_is_made_anew(checkout):
    make(checkout)
    (checkout / ".venv" / ".unfinished").touch()
    rest = checkout / ".venv" / "rest"
    rest.touch()
    assert "Making the virtual environment" in make(checkout).stdout
    assert not rest.exists()


def test_a_changed_lock_file_is_installed_without_making_it_anew(checkout):
    make(checkout)
    (checkout / "requirements.lock").write_text("# still nothing\n")
    said = make(checkout).stdout
    assert "Installing" in said
    assert "Making" not in said


def test_one_whose_python_is_gone_is_made_anew(checkout):
    make(checkout)
    python = checkout / ".venv" / "bin" / "python"
    python.unlink()
    assert "Making the virtual environment" in make(checkout).stdout
    assert Path(python).exists()
