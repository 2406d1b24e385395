"""What the tests of all adapters share."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from adapters.contract import Secrets
from adapters.errors import InvalidSettings

pytest.register_assert_rewrite("tests.adapters.conformance", "tests.adapters.promises")


class SecretsInFolder:
    """A site's secrets as a site keeps them: a file for each name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> str:
        return Path(self.path(name)).read_text()

    def path(self, name: str) -> str:
        file = self.folder / name
        if not file.is_file():
            raise InvalidSettings(f"This site has no secret called “{name}”.")
        return str(file)


@pytest.fixture
def secrets_of(tmp_path: Path) -> Callable[[Mapping[str, str]], Secrets]:
    """Make the secrets of a site from names and values."""

    def make(values: Mapping[str, str]) -> Secrets:
        folder = tmp_path / "secrets"
        folder.mkdir(exist_ok=True)
        for name, value in values.items():
            (folder / name).write_text(value)
        return SecretsInFolder(folder)

    return make
