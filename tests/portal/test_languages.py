"""The portal in somebody's language."""

import os
from pathlib import Path

import pytest
from babel.messages.mofile import read_mo

from shary_portal.translations import compile_translations
from tests.factories import make_user

PO = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "Sign out"\nmsgstr "{}"\n'


@pytest.fixture
def locale(tmp_path: Path) -> Path:
    folder = tmp_path / "it" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.po").write_text(PO.format("Esci"))
    return tmp_path


def test_translations_are_compiled_once_and_again_when_they_change(locale):
    source = locale / "it" / "LC_MESSAGES" / "django.po"
    [compiled] = compile_translations(locale)
    assert compile_translations(locale) == []
    source.write_text(PO.format("Uscire"))
    os.utime(source, (compiled.stat().st_mtime + 1,) * 2)
    assert compile_translations(locale) == [compiled]
    with compiled.open("rb") as file:
        assert read_mo(file).get("Sign out").string == "Uscire"


@pytest.mark.django_db
def test_a_language_once_chosen_stays_and_messages_come_in_it(client):
    user = make_user()
    client.force_login(user)
    answer = client.post("/language/", {"language": "it", "next": "/mine/"})
    assert (answer.status_code, answer["Location"]) == (302, "/mine/")
    assert '<html lang="it">' in client.get("/mine/").content.decode()
    user.refresh_from_db()
    assert user.language == "it"


@pytest.mark.django_db
@pytest.mark.parametrize("place", ["//evil.example/", "https://evil.example/", "/\\evil.example"])
def test_choosing_a_language_leads_to_no_other_host(client, place):
    answer = client.post("/language/", {"language": "it", "next": place})
    assert "evil" not in answer["Location"]


@pytest.mark.django_db
def test_a_language_that_there_is_not_changes_nothing(client):
    user = make_user()
    client.force_login(user)
    client.post("/language/", {"language": "xx", "next": "/"})
    assert '<html lang="en">' in client.get("/mine/").content.decode()
    user.refresh_from_db()
    assert user.language == ""


@pytest.mark.django_db
def test_the_words_of_the_scripts_come_in_the_language_of_the_address(client):
    answer = client.get("/words/ja.js", HTTP_ACCEPT_LANGUAGE="it")
    assert answer.status_code == 200
    assert "public" in answer["Cache-Control"]
    assert "gettext" in answer.content.decode()
