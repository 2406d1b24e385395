"""The command that replays recorded demand."""

import csv
import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

HEADER = "job_id,site_or_vc,user,submit_s,duration_s,gpus,gpu_model,estimate_s\n"


def test_it_compares_policies_and_writes_figures_jobs_and_a_drawing(tmp_path):
    trace = tmp_path / "demand.csv"
    lines = [f"{n},{'ab'[n % 3 == 0]},,{n * 60},{600 + n * 7},{1 + n % 4},,\n" for n in range(80)]
    trace.write_text(HEADER + "".join(lines))
    said = StringIO()
    call_command(
        "replay", trace, load=0.9, policy="federated", against="silo", verbosity=0, stdout=said,
        jobs_out=tmp_path / "jobs.csv", json=tmp_path / "result.json", svg=tmp_path / "waits.svg",
    )  # fmt: skip
    rows = list(csv.DictReader((tmp_path / "jobs.csv").read_text().splitlines()))
    assert list(rows[0]) == ["job_id", "site", "start_s", "end_s", "gpus", "preemptions", "lost_s"]
    assert {row["job_id"] for row in rows} == {str(n) for n in range(80)}
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["waits"]["mean_s"] <= result["against"]["waits"]["mean_s"]
    assert "wait, mean" in said.getvalue()
    drawing = (tmp_path / "waits.svg").read_text()
    assert drawing.startswith("<svg")
    assert "<title" in drawing
    assert "prefers-color-scheme:dark" in drawing


def test_a_trace_that_makes_no_sense_is_refused_with_the_line(tmp_path):
    trace = tmp_path / "demand.csv"
    trace.write_text(HEADER + "0,a,,0,-5,1,,\n")
    with pytest.raises(CommandError, match="line 2"):
        call_command("replay", trace, verbosity=0)
    with pytest.raises(CommandError, match="No such file"):
        call_command("replay", tmp_path / "nowhere.csv", verbosity=0)


def test_what_can_never_run_is_said(tmp_path):
    trace, sites = tmp_path / "demand.csv", tmp_path / "sites.csv"
    trace.write_text(HEADER + "0,a,,0,50,64,,\n1,a,,9,50,1,,\n")
    sites.write_text("site,cards\na,8\n")
    said = StringIO()
    call_command("replay", trace, capacity=sites, verbosity=0, stdout=said)
    assert "Job 0 of “a” can never run: it wants 64 cards, and no site has more than 8" in said.getvalue()
