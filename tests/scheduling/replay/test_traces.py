"""What a trace may look like, and what is said about one that cannot be replayed."""

import pytest

from scheduling.replay.capacities import read_capacities
from scheduling.replay.traces import TraceProblem, asked_length, read_trace

HEADER = "job_id,site_or_vc,user,submit_s,duration_s,gpus,gpu_model,estimate_s\n"


def read(text: str, **options: bool):
    return read_trace(text.splitlines(keepends=True), name="demand.csv", **options)


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter():
    trace = read("\ufeff" + (HEADER + "7,a,,0,60,2,,\n").replace("\n", "\r\n"))
    assert (trace.jobs[0].id, trace.jobs[0].cards, trace.jobs[0].length_s) == ("7", 2, 1800)


def test_columns_may_stand_in_any_order_and_the_optional_ones_may_lack():
    trace = read("gpus,duration_s,submit_s,site_or_vc,job_id\n0.46,10,0,a,x\n")
    assert (trace.jobs[0].share, trace.jobs[0].cards) == (460, 1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1,a,,0,-5,1,,", "cannot end before it starts"),
        ("1,a,,-1,5,1,,", "before the trace begins"),
        ("1,a,,0,5,0,,", "a job needs some"),
        ("1,a,,0,5,1.5,,", "whole cards, or a share of one"),
        ("1,a,,0,soon,1,,", "“soon”, which is no number"),
        ("1,a,,,5,1,,", "submit_s is missing"),
        ("1,a,,0,1e400,1,,", "beyond all measure"),
        ("1,a,,0,nan,1,,", "beyond all measure"),
        (",a,,0,5,1,,", "no job_id"),
        ("1,a", "submit_s is missing"),
        ("1,a,,0,5,1,,0", "leave it blank"),
    ],
)
def test_a_bad_line_is_named_with_its_cause(line, said):
    with pytest.raises(TraceProblem, match=said) as refused:
        read(HEADER + "0,a,,0,5,1,,\n" + line + "\n")
    assert "line 3" in str(refused.value)
    assert "--leave-out-bad" in str(refused.value)


def test_bad_lines_can_be_left_out_and_that_is_said():
    trace = read(HEADER + "0,a,,0,5,1,,\n0,a,,9,5,1,,\n1,a,,0,x,1,,\n", leave_out_bad=True)
    assert [job.id for job in trace.jobs] == ["0"]
    assert "2 bad lines" in trace.notes[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "is empty"), (HEADER, "no job"), ("a,b\n1,2\n", "no column job_id"), ("PK\0\1", "zero byte")],
)
def test_what_is_no_trace_is_refused(text, said):
    with pytest.raises(TraceProblem, match=said):
        read(text)


def test_a_clock_that_runs_backwards_is_put_in_order_and_said():
    trace = read(HEADER + "0,a,,50,5,1,,\n1,a,,20,5,1,,\n")
    assert [job.id for job in trace.jobs] == ["1", "0"]
    assert "backwards" in trace.notes[0]


def test_huge_numbers_are_numbers():
    (job,) = read(HEADER + "0,a,,1e9,1e9,1e9,,\n").jobs
    assert (job.submit_s, job.duration_s, job.cards) == (10**9, 10**9, 10**9)
    assert job.length_s >= 10**9


@pytest.mark.parametrize(
    ("duration", "asked"), [(1, 1800), (1800, 1800), (1801, 3600), (86400, 86400), (2592001, 5184000)]
)
def test_people_ask_for_the_next_length_that_a_calendar_offers(duration, asked):
    assert asked_length(duration) == asked


def test_sites_come_from_a_table_of_sites_or_of_nodes():
    (pool,) = read_capacities(["site,cards,model,speed\n", "a,8,L40S,1.5\n"])
    assert (pool.site, pool.cards, pool.model, pool.speed) == ("a", 8, "L40S", 1.5)
    (pool,) = read_capacities(["gpu_model,gpus_per_node,nodes\n", "T4,4,17\n"])
    assert (pool.model, pool.cards, pool.cards_per_host) == ("T4", 68, 4)


@pytest.mark.parametrize(
    "text", ["", "site,cards\n", "site\na\n", "site,cards\na,many\n", "site,cards\na,-1\n"]
)
def test_a_table_of_sites_that_makes_no_sense_is_refused(text):
    with pytest.raises(TraceProblem):
        read_capacities(text.splitlines(keepends=True))
