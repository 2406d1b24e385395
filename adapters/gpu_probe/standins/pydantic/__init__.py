"""Stands in for pydantic inside the one-file probe: shapes without validation, no compiled code.

Only the archive has it, under the name of the package that it stands in for.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

ConfigDict = dict


class _Note:
    """What pydantic would read from a type; nobody reads it here."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self.notes = (arguments, settings)


class TypeAdapter:
    """Turns dataclasses into plain values; turns nothing into dataclasses."""

    def __class_getitem__(cls, shape: Any) -> type["TypeAdapter"]:
        """Take the shape that a type checker wants to know."""
        return cls

    def __init__(self, shape: Any) -> None:
        self.shape = shape

    def dump_python(self, value: Any, *, mode: str = "json", exclude_none: bool = False) -> Any:
        """Return the value as it stands in JSON."""
        return _plain(asdict(value), exclude_none)


def _plain(value: Any, exclude_none: bool) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _plain(one, exclude_none)
            for name, one in value.items()
            if one is not None or not exclude_none
        }
    if isinstance(value, (list, tuple)):
        return [_plain(one, exclude_none) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value


def __getattr__(name: str) -> type[_Note]:
    # Field, StringConstraints, AwareDatetime: they only ever stand in annotations.
    if name[:1].isupper():
        return _Note
    raise AttributeError(name)
