import stat

import environ
import pytest

from adapters.contract.wire import private_key
from shary_portal.quickstart.state import AlreadyRunning, StateFolder


@pytest.fixture
def state(tmp_path):
    return StateFolder(tmp_path / "var")


def test_one_portal_at_a_time_holds_the_folder(state):
    with state.held():
        state.say_running(address="http://127.0.0.1:8000/")
        other = StateFolder(state.path)
        assert other.is_held
        with pytest.raises(AlreadyRunning), other.held():
            pass
        assert other.running["address"] == "http://127.0.0.1:8000/"


def test_letting_go_leaves_no_lock(state):
    with state.held():
        state.say_running(address="")
    assert list(state.path.iterdir()) == []
    assert not state.is_held


def test_keys_are_made_once_and_are_good_keys(state):
    with state.held():
        keys = state.keys()
        assert StateFolder(state.path).keys() == keys
    assert private_key(keys["SHARY_HUB_KEY"])
    assert len(set(keys.values())) == len(keys)


def test_two_folders_have_different_keys(state, tmp_path):
    other = StateFolder(tmp_path / "other")
    for folder in (state, other):
        folder.path.mkdir()
    assert not set(state.keys().values()) & set(other.keys().values())


def test_secrets_can_be_read_by_nobody_else(state):
    with state.held():
        state.note_environment(state.keys())
        for file in ("keys.json", "portal.env"):
            assert stat.S_IMODE((state.path / file).stat().st_mode) == 0o600


def test_manage_py_reads_back_what_was_noted(state, monkeypatch):
    address = "postgresql://shary@:5432/shary?host=/a folder/with%20marks"
    monkeypatch.delenv("SHARY_PROBE", raising=False)
    with state.held():
        state.note_environment({"SHARY_PROBE": address})
        monkeypatch.setenv("SHARY_PROBE", "")  # so that it is put back afterwards
        environ.Env.read_env(state.environment, overwrite=True)
    assert environ.Env()("SHARY_PROBE") == address


def test_emptying_spares_what_is_not_ours(state):
    with state.held():
        state.keys()
    state.postgres.mkdir()
    (state.path / "diary.txt").write_text("mine")
    state.empty()
    assert [path.name for path in state.path.iterdir()] == ["diary.txt"]
