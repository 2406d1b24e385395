"""The demonstration's accounts on the sign-in page, and nowhere else."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_user

ROOT = Path(__file__).resolve().parent.parent.parent
EMAIL = "researcher@uni-a.example"
ACCOUNTS = [
    {"email": EMAIL, "password": "share-1234-abcd", "role": "books devices"},
    {"email": "gone@uni-a.example", "password": "share-1234-abcd", "role": "was removed"},
]
URL = "/accounts/login/"


@pytest.mark.django_db
def test_the_sign_in_page_shows_the_accounts_that_exist(settings: Any) -> None:
    settings.SHARY_DEMONSTRATION_ACCOUNTS = ACCOUNTS
    make_user("researcher", email=EMAIL)
    page = Client().get(URL).content.decode()
    assert f'data-account="{EMAIL}" data-password="share-1234-abcd"' in page
    assert "books devices" in page
    assert "gone@uni-a.example" not in page


@pytest.mark.django_db
def test_nobody_learns_them_from_another_machine_or_another_page(settings: Any) -> None:
    settings.SHARY_DEMONSTRATION_ACCOUNTS = ACCOUNTS
    make_user("researcher", email=EMAIL)
    for url, address in ((URL, "192.0.2.7"), (URL, ""), ("/accounts/password/reset/", "127.0.0.1")):
        answer = Client(REMOTE_ADDR=address).get(url)
        assert answer.status_code == 200
        assert b"share-1234-abcd" not in answer.content


@pytest.mark.django_db
def test_a_portal_without_demonstration_accounts_shows_none() -> None:
    make_user("researcher", email=EMAIL)
    assert b"emonstration" not in Client().get(URL).content


def accounts_in(module: str, environment: dict[str, str]) -> int:
    code = f"from shary_portal.settings import {module} as s; print(len(s.SHARY_DEMONSTRATION_ACCOUNTS))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_only_the_development_settings_take_the_password(clean_environment: Any, tmp_path: Path) -> None:
    environment = clean_environment | {"SHARY_STATE_DIR": str(tmp_path)}
    assert accounts_in("development", environment) == 0
    environment["SHARY_DEMONSTRATION_PASSWORD"] = "share-1234-abcd"
    assert accounts_in("development", environment) == 6
    environment |= {
        "SHARY_SECRET_KEY": "k7" * 30,
        "SHARY_HOSTS": "portal.federation.example",
        "DATABASE_URL": "postgresql://shary@db.federation.example/shary",
        "CELERY_BROKER_URL": "rediss://broker.federation.example/0",
        "SHARY_HUB_KEY": "x",
        "SHARY_FIELD_KEYS": "x",
    }
    assert accounts_in("production", environment) == 0
