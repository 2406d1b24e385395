"""Cells of spreadsheets: text that a spreadsheet would run as a formula is kept from it, and read back.

A spreadsheet runs what begins with one of these signs, wherever it came from (OWASP ASVS 1.2.10). An apostrophe
before it makes it text. One that was there already gets another, so that nothing is lost on the way back.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

_RUNS = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_KEPT = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")


def neutral(text: str) -> str:
    """Return a cell that no spreadsheet runs."""
    return f"'{text}" if _RUNS.match(text) else text


def original(text: str) -> str:
    """Return what a cell was before it was made neutral."""
    return text[1:] if _KEPT.match(text) else text


def write_cells(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Return rows as CSV."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([neutral(str(row.get(column, ""))) for column in columns] for row in rows)
    return written.getvalue()


def read_cells(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV, separated as its first line is: by commas, semicolons or tabs."""
    text = text.removeprefix("\ufeff")
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    return [
        {
            column.strip(): original(value)
            for column, value in row.items()
            if column is not None and value is not None
        }
        for row in rows
    ]
