"""Each measurement still runs, at a size too small to judge by, and says what it measured."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import NAMES
from bench.measuring import ROOT, Result, quantile, ratio_of


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
def test_a_measurement_runs_and_writes_what_it_found(name: str, tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    env = {
        key: value
        for key, value in os.environ.items()
        if key not in ("DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SETTINGS_MODULE")
    }
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", "--quick", "--rounds", "1", "--json", str(file)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )

    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    found = json.loads(file.read_text())
    assert found["results"]
    counted = [result for result in found["results"] if result["goal"].startswith("==")]
    assert [result["name"] for result in counted if not result["met"]] == []


def test_a_goal_is_said_of_the_ratio_where_there_is_one() -> None:
    assert Result(name="p", product=10, floor=100, ratio=0.1, goal=">= 0.05").meets_goal is True
    assert Result(name="p", product=10, floor=100, ratio=0.1, goal=">= 0.15").meets_goal is False


def test_a_goal_is_said_of_the_product_where_there_is_no_floor() -> None:
    assert Result(name="p", product=0, goal="== 0").meets_goal is True
    assert Result(name="p", product=3, goal="<= 2").meets_goal is False
    assert Result(name="p", product=3).meets_goal is None


def test_the_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    assert ratio_of([1, 50, 9], [10, 100, 10]) == 0.5


def test_a_quantile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(1, 101)]

    assert quantile(values, 0.5) == 50
    assert quantile(values, 0.99) == 99
    assert quantile(values, 1.0) == 100
