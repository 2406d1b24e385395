"""The documents point at what is really there."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from adapters.catalogue import CATALOGUE
from shary_portal.quickstart import federation

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted([README, ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_to_files_lead_somewhere(page: Path):
    prose = FENCED.sub("", page.read_text())
    for found in LINK.finditer(prose):
        target = (found[1] or found[2]).partition("#")[0]
        if target and not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"


def test_the_readme_names_only_commands_that_make_knows():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z0-9-]+)", README.read_text(), re.MULTILINE))
    assert {"run", "test"} <= named <= targets


def test_the_readme_names_the_accounts_of_the_demonstration():
    named = set(re.findall(r"^\| `([^`@]+@[^`]+)` \|", README.read_text(), re.MULTILINE))
    assert named == {person.email for person in federation.PEOPLE}


def test_the_readme_names_folders_that_exist():
    folders = re.findall(r"^\| `(\w+)/` \|", README.read_text(), re.MULTILINE)
    assert len(folders) >= 7
    for folder in folders:
        assert (ROOT / folder).is_dir(), folder


def test_the_readme_can_be_read_in_two_minutes():
    assert len(README.read_text().split()) < 600


def test_decisions_have_a_number_of_their_own_and_say_what_they_cost():
    numbers = [page.name[:4] for page in ADRS]
    assert len(set(numbers)) == len(numbers) >= 12
    for page in ADRS:
        text = page.read_text()
        assert text.startswith(f"# {int(page.name[:4])}. "), page.name
        assert "Status: " in text, page.name
        assert "\n## Consequences" in text or "\n## What it costs" in text, page.name


def test_paths_of_code_that_the_documents_name_exist():
    for page in [README, *ADRS, ROOT / "docs" / "operations.md", ROOT / "docs" / "glossary.md"]:
        for path in re.findall(r"`((?:\w+/)+[\w.]*)`", page.read_text()):
            assert (ROOT / path).exists(), f"{name_of(page)} names {path}"


def test_the_glossary_knows_every_kind_of_device():
    words = (ROOT / "docs" / "glossary.md").read_text()
    for adapter in CATALOGUE.values():
        for kind in adapter.kinds:
            assert f"`{kind}`" in words, kind


def test_the_picture_of_the_architecture_is_a_picture_and_nothing_else():
    text = (ROOT / "docs" / "architecture.svg").read_text()
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()}
    assert tags <= {"svg", "title", "desc", "style", "defs", "marker", "path", "rect", "text", "tspan"}
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"\son\w+=|href=", text)
