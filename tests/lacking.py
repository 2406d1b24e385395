"""What a machine may lack: a test says so and is skipped, and in CI, where nothing may be lacking, it fails."""

import os
from typing import NoReturn

import pytest


def give_up(what_is_missing: str) -> NoReturn:
    """Skip the test with the reason; fail it where CI has installed all there is."""
    if os.environ.get("CI") == "true":
        pytest.fail(what_is_missing)
    pytest.skip(what_is_missing)
