import asyncio
import io
import subprocess
import sys
import time

import psutil
import pytest

from shary_portal.quickstart.processes import MARK, Part, Supervisor, Voices, left_over, sweep


@pytest.fixture
def voices(tmp_path):
    voices = Voices(tmp_path / "logs", screen=io.StringIO())
    yield voices
    voices.close()


@pytest.fixture
def supervisor(voices, tmp_path, clean_environment):
    mark = str(tmp_path)
    yield Supervisor(voices=voices, env=clean_environment, mark=mark)
    assert sweep(mark) == 0, "the test left processes behind"


async def appears(voices, text, times=1):
    deadline = time.monotonic() + 20
    while voices.screen.getvalue().count(text) < times:
        assert time.monotonic() < deadline, f"“{text}” did not come:\n{voices.screen.getvalue()}"
        await asyncio.sleep(0.02)


def part(program, **more):
    return Part(name="part", command=[sys.executable, "-c", program], **more)


def test_what_a_process_says_is_shown_with_its_name_and_kept(supervisor, voices):
    asyncio.run(supervisor.run_once(part("print('good morning')")))
    (line,) = voices.screen.getvalue().splitlines()
    assert line.split()[1:] == ["part", "good", "morning"]
    assert "good morning" in (voices.folder / "part.log").read_text()


def test_the_exit_status_of_a_single_run_comes_back(supervisor):
    assert asyncio.run(supervisor.run_once(part("raise SystemExit(3)"))) == 3


def test_a_process_that_ends_is_started_again(supervisor, voices):
    async def scenario():
        supervisor.keep(part("print('I am up')"))
        await appears(voices, "I am up", times=2)
        await supervisor.end(["part"])

    asyncio.run(scenario())
    assert "ended (exit status 0); starts again in 1 s" in voices.screen.getvalue()


def test_a_killed_process_is_named_as_killed(supervisor, voices):
    async def scenario():
        supervisor.keep(part("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
        await appears(voices, "killed by SIGKILL")
        await supervisor.end(["part"])

    asyncio.run(scenario())


def test_one_that_does_not_listen_is_killed_and_its_children_with_it(supervisor, voices, comes_true):
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " start_new_session=True);"
        "print('child', child.pid, flush=True); time.sleep(600)"
    )

    async def scenario():
        supervisor.keep(part(stubborn, patience_s=0.2))
        await appears(voices, "child")
        started = time.monotonic()
        await supervisor.end(["part"])
        return time.monotonic() - started

    assert asyncio.run(scenario()) < 5
    child = int(voices.screen.getvalue().split("child")[1].split()[0])
    assert comes_true(
        lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    )


def test_what_a_killed_portal_left_is_found_by_its_mark_and_cleared_away(tmp_path, clean_environment):
    mark = str(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env=clean_environment | {MARK: mark}
    )
    assert [process.pid for process in left_over(mark)] == [child.pid]
    assert sweep(mark) == 1
    assert child.poll() is not None
    assert left_over(mark) == []


def test_a_screen_that_went_away_stops_nothing(tmp_path):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    voices = Voices(tmp_path, screen=Gone())
    voices.say("part", "into the file")
    voices.say("part", "and again")
    voices.close()
    assert len((tmp_path / "part.log").read_text().splitlines()) == 2
    voices.screen.close()
