"""Values of the inventory in the shape that an adapter declares."""

from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from adapters.contract.values import Json
from adapters.errors import InvalidSettings

T = TypeVar("T")


def read(shape: type[T], values: Json, what: str = "The settings") -> T:
    """Return the values in their shape; raise `InvalidSettings` that names the first wrong field."""
    try:
        found: T = TypeAdapter[Any](shape).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(step) for step in first["loc"]) or "as a whole"
        raise InvalidSettings(f"{what} cannot work: {field}: {first['msg']}.") from error
    return found
