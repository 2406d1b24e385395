"""The portal in somebody's language."""

import os
import re
from pathlib import Path

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.conf import settings

from shary_portal.translations import LOCALE, compile_translations
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


PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|\{(\w+)\}")
CATALOGUES = sorted(LOCALE.glob("*/LC_MESSAGES/*.po"))


def placeholders(text: str) -> set[str]:
    return {found[0] for found in PLACEHOLDER.finditer(text)}


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: f"{file.parent.parent.name}-{file.stem}")
def test_each_translation_is_there_and_names_what_the_english_names(file):
    with file.open("rb") as text:
        catalogue = read_po(text, locale=file.parent.parent.name)
    messages = [message for message in catalogue if message.id]
    assert len(messages) > 200
    for message in messages:
        assert not message.fuzzy, message.id
        english = message.id if isinstance(message.id, tuple) else (message.id,)
        translated = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(translated), message.id
        # The last form is the one for many, which names the count.
        assert placeholders(translated[-1]) == placeholders(english[-1]), message.id


def test_all_languages_have_the_same_words():
    for domain in ("django", "djangojs"):
        known = []
        for file in (file for file in CATALOGUES if file.stem == domain):
            with file.open("rb") as text:
                known.append({str(message.id) for message in read_po(text)})
        assert len(known) == len(settings.LANGUAGES) - 1
        assert all(words == known[0] for words in known)


@pytest.mark.django_db
@pytest.mark.parametrize(("language", "title"), [("it", "Tabellone"), ("ja", "ボード"), ("en", "Board")])
def test_the_board_speaks_each_language(client, language, title):
    client.force_login(make_user())
    client.post("/language/", {"language": language, "next": "/"})
    page = client.get("/").content.decode()
    assert f"<title>{title}" in page
    assert (f"/words/{language}.js" in page) == (language != "en")


@pytest.mark.django_db
def test_scripts_get_the_words_of_the_portal_and_none_of_the_admin(client):
    words = client.get("/words/it.js").content.decode()
    assert '"Free now"' in words
    assert "Filter %s" not in words


@pytest.mark.django_db
def test_a_refusal_comes_in_the_language_of_who_asks(client):
    user = make_user()
    client.force_login(user)
    place = "/api/v1/holds/00000000-0000-0000-0000-000000000000/"
    assert "There is no such hold of yours" in client.delete(place).json()["detail"]
    italian = client.delete(place, HTTP_ACCEPT_LANGUAGE="it").json()["detail"]
    assert "hold" not in italian
    assert "blocco" in italian
