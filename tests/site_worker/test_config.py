"""A configuration that cannot work says which field, and what to do."""

from pathlib import Path

import pytest

from adapters.contract.wire import new_key, private_key, public_text
from adapters.errors import InvalidSettings
from site_worker.config import BadConfig, load_config, read_config


@pytest.fixture
def content(tmp_path):
    (tmp_path / "site.key").write_text(new_key())
    return {
        "site": "uni-a",
        "broker_url": "redis://broker.uni-a.example/0",
        "hub_public_key": public_text(private_key(new_key())),
        "private_key_file": "site.key",
        "state_dir": "state",
    }


def test_a_complete_configuration_is_read(content, tmp_path):
    (tmp_path / "bmc").write_text("hunter2\n")
    content["secrets"] = {"bmc": {"file": "bmc"}, "token": "abc"}
    config = read_config(content, folder=tmp_path, environ={"CELERY_BROKER_URL": "redis://elsewhere/1"})
    assert config.queue == "site.uni-a"
    assert config.broker_url == "redis://elsewhere/1"
    assert config.secrets.read("bmc") == "hunter2"
    assert config.secrets.path("bmc") == str(tmp_path / "bmc")
    assert Path(config.secrets.path("token")).read_text() == "abc"
    assert "abc" not in repr(config)
    with pytest.raises(InvalidSettings, match="no secret called “other”"):
        config.secrets.read("other")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("site", "Uni A", "no slug"),
        ("site", None, "site: missing"),
        ("hub_public_key", "x", "copy it again"),
        ("private_key_file", "nowhere.key", "--new-key"),
        ("children", 0, "children: must be a whole number above zero"),
        ("watch_period_s", "often", "must be a number above zero"),
        ("colour", "red", "“colour” is no field"),
        ("secrets", {"bmc": 7}, "secrets.bmc"),
        ("extra_adapters", {"mine": "module"}, "module:Class"),
        ("policy", {"patience": 1}, "policy.patience: no such field"),
    ],
)
def test_a_wrong_field_is_named_with_its_cure(field, value, words, content, tmp_path):
    content[field] = value
    with pytest.raises(BadConfig, match=words):
        read_config(content, folder=tmp_path, environ={})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadConfig, match="cannot be read"):
        load_config(tmp_path / "none.toml", environ={})
    with pytest.raises(BadConfig, match="SHARY_SITE_CONFIG"):
        load_config(environ={})
