"""Model instances from a statement that was written once.

The framework puts each statement together anew, which for a join costs more than the database
takes to answer it. Only what every request or every booking needs is worth a statement by hand.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Model

M = TypeVar("M", bound=Model)


class Columns(Generic[M]):
    """All columns of a model, in the order in which `instance` takes them."""

    def __init__(self, model: type[M]) -> None:
        self.model = model
        fields = model._meta.concrete_fields  # noqa: SLF001
        self.names = [field.attname for field in fields]
        self._columns = [field.column for field in fields]
        self._converted = [
            (place, field) for place, field in enumerate(fields) if hasattr(field, "from_db_value")
        ]

    def __len__(self) -> int:
        return len(self.names)

    def under(self, alias: str) -> str:
        """Return the columns for a SELECT, of the table under an alias."""
        return ", ".join(f'{alias}."{column}"' for column in self._columns)

    def instance(self, values: Sequence[Any]) -> M:
        """Return the row as the framework would."""
        values = list(values)
        for place, field in self._converted:
            values[place] = field.from_db_value(values[place], None, connection)
        return self.model.from_db(connection.alias, self.names, values)


@cache
def columns_of(model: type[M]) -> Columns[M]:
    """Return the columns of a model."""
    return Columns(model)


def instances(row: Sequence[Any], *models: type[Model]) -> list[Any]:
    """Return an instance of each model from a row that has the columns of all, one after the other."""
    found, at = [], 0
    for model in models:
        columns = columns_of(model)
        found.append(columns.instance(row[at : at + len(columns)]))
        at += len(columns)
    return found
