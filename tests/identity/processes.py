"""Starting real providers beside a test."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def running_provider(module: str, folder: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run a provider for as long as the block lasts; what it says of itself comes once it listens."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "COV_"))
    }
    with (folder / "errors.txt").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", f"tests.identity.{module}", str(folder), *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "errors.txt").read_text()
        yield json.loads(line)
    finally:
        process.terminate()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()
