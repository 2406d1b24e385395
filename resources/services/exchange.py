"""Taking a table of devices over: all of it or nothing, and first what it would do."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from resources.exchange import DeviceExchange, read_table
from resources.models import Resource, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportLine:
    """What becomes of one row."""

    number: int
    """Of the row in the file, the first device being 1."""
    name: str
    verb: str
    """`new`, `change`, `same` or `wrong`."""
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)
    resource: Resource | None = None


@dataclass(slots=True, kw_only=True)
class Imported:
    """What an import did, or would do."""

    lines: list[ImportLine]
    problems: list[str] = field(default_factory=list)
    """About the file as a whole."""

    def of(self, verb: str) -> list[ImportLine]:
        """Return the lines of one sort."""
        return [line for line in self.lines if line.verb == verb]

    @property
    def can_be_done(self) -> bool:
        """Whether there is something to do and nothing wrong."""
        return not self.problems and not self.of("wrong") and bool(self.of("new") or self.of("change"))


def import_devices(*, sites: Iterable[Site], text: str, form: str, dry_run: bool) -> Imported:
    """Take the devices of a file over, or say what that would do; raises `NotReadable` for what is no table.

    Known devices are changed, unknown ones are added, and what the file does not name stays as it is.
    """
    dataset, numbers = read_table(text, form)
    engine = DeviceExchange(sites)
    result = engine.import_data(
        dataset, dry_run=dry_run, use_transactions=True, rollback_on_validation_errors=True
    )
    lines = [
        _line(engine, number, row, values)
        for number, row, values in zip(numbers, result.rows, dataset.dict, strict=False)
    ]
    problems = [str(each.error) for each in result.base_errors]
    return Imported(lines=lines, problems=problems)


def _line(engine: DeviceExchange, number: int, row: Any, values: dict[str, Any]) -> ImportLine:
    name = " · ".join(str(each) for each in (values.get("site"), values.get("name")) if each)
    if row.import_type == row.IMPORT_TYPE_INVALID:
        errors = [
            (column, str(words))
            for column, found in row.validation_error.message_dict.items()
            for words in found
        ]
        return ImportLine(number=number, name=name, verb="wrong", errors=errors)
    if row.errors:
        return ImportLine(number=number, name=name, verb="wrong", errors=[("", str(row.errors[0].error))])
    if row.import_type == row.IMPORT_TYPE_SKIP:
        return ImportLine(number=number, name=name, verb="same")
    verb = "new" if row.import_type == row.IMPORT_TYPE_NEW else "change"
    changes = [
        (column, _said(was), _said(becomes))
        for column, (was, becomes) in engine.changes_of(row.instance).items()
    ]
    return ImportLine(number=number, name=name, verb=verb, changes=changes, resource=row.instance)


def _said(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return str(value)
