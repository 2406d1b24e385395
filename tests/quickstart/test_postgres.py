import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from shary_portal.quickstart.children import Identity, start_child
from shary_portal.quickstart.postgres import FOR_TESTS, LONGEST_SOCKET_PATH, SOCKET_NAME, EmbeddedPostgres
from shary_portal.settings.base import database_from

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A folder in which a server has run once, so that each test starts quickly."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), settings=FOR_TESTS)
    server.start()
    server.stop()
    return server.folder


@pytest.fixture
def server(cluster):
    server = EmbeddedPostgres(cluster, settings=FOR_TESTS)
    yield server
    server.stop()


def answer(url):
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT current_database()").fetchone()[0]


def test_a_started_server_answers_under_its_address(server):
    server.start()
    assert answer(server.url()) == "shary"


def test_django_understands_the_address(server):
    server.start()
    described = database_from(server.url())
    assert described["HOST"] == str(server.socket_folder)
    assert described["NAME"] == "shary"


def test_variables_that_point_at_another_server_do_not_count(server, monkeypatch):
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGHOST", "192.0.2.1")
    server.start()
    assert answer(server.url()) == "shary"


def test_overlaps_can_be_excluded(server):
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
        connection.execute(
            "CREATE TEMPORARY TABLE hold (device int, span tstzrange, "
            "EXCLUDE USING gist (device WITH =, span WITH &&))"
        )
        connection.execute("INSERT INTO hold VALUES (1, '[2030-01-01, 2030-01-03)')")
        with pytest.raises(psycopg.errors.ExclusionViolation):
            connection.execute("INSERT INTO hold VALUES (1, '[2030-01-02, 2030-01-04)')")


def test_a_stopped_server_leaves_no_process_and_no_socket(server):
    server.start()
    pid = server.pid
    server.stop()
    assert server.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert list(server.socket_folder.iterdir()) == []


def test_a_running_server_is_taken_over(server):
    server.start()
    second = EmbeddedPostgres(server.folder, settings=FOR_TESTS)
    second.start()
    assert second.pid == server.pid
    second.stop()
    assert server.pid is None


def test_after_a_hard_kill_it_starts_again_with_its_rows(cluster):
    server = EmbeddedPostgres(cluster)  # with the settings of `make run`: what was committed must stay
    server.start()
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
        connection.execute("DELETE FROM kept")
        connection.execute("INSERT INTO kept VALUES ('still here')")
    os.kill(server.pid, signal.SIGKILL)
    server._child.wait(10)
    again = EmbeddedPostgres(server.folder)
    again.start()
    with psycopg.connect(again.url()) as connection:
        assert connection.execute("SELECT word FROM kept").fetchall() == [("still here",)]
    again.stop()


def test_a_note_about_a_process_that_is_not_ours_is_no_server(server):
    server.start()
    server.stop()
    (server.cluster / "postmaster.pid").write_text(f"{os.getpid()}\n{server.cluster}\n")
    assert server.pid is None
    server.start()
    assert answer(server.url()) == "shary"


def test_a_deep_state_folder_gets_a_short_socket_that_goes_with_the_server(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    server = EmbeddedPostgres(deep, settings=FOR_TESTS)
    assert len(os.fsencode(server.socket_folder / SOCKET_NAME)) <= LONGEST_SOCKET_PATH
    server.start()
    assert answer(server.url()) == "shary"
    server.stop()
    assert not server.socket_folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_it_ends_when_its_starter_is_killed(server, comes_true):
    program = (
        "import time; from pathlib import Path; from shary_portal.quickstart.postgres import *;"
        f"EmbeddedPostgres(Path({str(server.folder)!r}), settings=FOR_TESTS).start();"
        "print('up', flush=True); time.sleep(600)"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE)
    assert starter.stdout.readline() == b"up\n"
    assert server.pid is not None
    starter.kill()
    starter.wait()
    starter.stdout.close()
    assert comes_true(lambda: server.pid is None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_does_not_run_it_as_root(server):
    server.start()
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_can_run_it(clean_environment):
    program = (
        "import os, pathlib, psycopg; from shary_portal.quickstart.postgres import *;"
        "s = EmbeddedPostgres(pathlib.Path('state'), settings=FOR_TESTS); s.start();"
        "owner = pathlib.Path(f'/proc/{s.pid}').stat().st_uid;"
        "word = psycopg.connect(s.url()).execute('SELECT 42').fetchone()[0]; s.stop();"
        "print(os.geteuid(), owner, word, s.pid)"
    )
    # May read everywhere, because Python itself may lie in a folder of root's.
    nobody = Identity(uid=65534, gid=65534, reads_everywhere=True)
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as output:
        home = Path(name)
        os.chown(home, nobody.uid, nobody.gid)
        child = start_child(
            [sys.executable, "-c", program],
            run_as=nobody,
            env=clean_environment | {"PYTHONPATH": str(ROOT), "HOME": name},
            cwd=home,
            output=output,
        )
        status = child.wait(60)
        output.seek(0)
        assert (status, output.read().split()) == (0, [b"65534", b"65534", b"42", b"None"])
