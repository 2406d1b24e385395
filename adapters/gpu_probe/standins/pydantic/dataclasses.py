"""Pydantic's dataclasses, as Python's own."""

import dataclasses
from typing import Any

__all__ = ["dataclass"]


def dataclass(*, config: Any = None, **settings: Any) -> Any:
    """Make a plain dataclass; what pydantic would validate goes unlooked at."""
    return dataclasses.dataclass(**settings)
