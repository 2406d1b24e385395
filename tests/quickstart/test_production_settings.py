import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from adapters.contract.wire import new_key

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def environment(clean_environment):
    return clean_environment | {
        "DJANGO_SETTINGS_MODULE": "shary_portal.settings.production",
        "SHARY_SECRET_KEY": "k7" * 30 + "unlike-any-other",
        "SHARY_HOSTS": "portal.federation.example",
        "DATABASE_URL": "postgresql://shary:secret@db.federation.example/shary",
        "CELERY_BROKER_URL": "rediss://broker.federation.example/0",
        "SHARY_HUB_KEY": new_key(),
        "SHARY_FIELD_KEYS": Fernet.generate_key().decode(),
    }


def run(environment, *command):
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_the_deployment_check_finds_nothing(environment):
    done = run(environment, "manage.py", "check", "--deploy", "--fail-level", "INFO")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "name",
    [
        "SHARY_SECRET_KEY",
        "SHARY_HOSTS",
        "DATABASE_URL",
        "CELERY_BROKER_URL",
        "SHARY_HUB_KEY",
        "SHARY_FIELD_KEYS",
    ],
)
def test_what_is_missing_is_named(environment, name):
    del environment[name]
    done = run(environment, "-c", "import shary_portal.settings.production")
    assert done.returncode != 0
    assert f"Set the {name} environment variable" in done.stderr
