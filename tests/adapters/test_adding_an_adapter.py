"""The guide quotes code that is really there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "adding-an-adapter.md").read_text()
QUOTES = re.findall(r"```python\n# (\S+)\n(.*?)```", GUIDE, re.DOTALL)


def test_every_piece_of_code_says_where_it_is_from():
    assert len(QUOTES) == GUIDE.count("```python") > 5


@pytest.mark.parametrize(("path", "code"), QUOTES, ids=[path for path, _ in QUOTES])
def test_a_quote_is_in_the_file_it_names(path, code):
    assert code in (ROOT / path).read_text()


def test_every_path_in_the_guide_exists():
    for path in re.findall(r"`((?:adapters|tests|docs)/[\w./]+)`", GUIDE):
        assert (ROOT / path).exists(), path
