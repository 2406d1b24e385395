"""How much of a request is read, and how deep: bounded before anything is done with it."""

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser, DataAndFiles, MultiPartParser
from rest_framework.utils.json import strict_constant

MOST_JSON = 1024 * 1024
MOST_DEPTH = 32
MOST_FORM = 40 * 1024 * 1024
"""The largest file that an adapter takes has 32 MiB."""


class TooLarge(APIException):
    """The request is larger than anything that makes sense."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = "The request is too large."


class BoundedJSONParser(BaseParser):
    """JSON of a sensible size and depth, that the database can keep."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the value; raise `ParseError` for what is none, `TooLarge` for too much of it."""
        raw = stream.read(MOST_JSON + 1)
        if len(raw) > MOST_JSON:
            raise TooLarge(f"A request may have {MOST_JSON // 1024} KiB; this has more.")
        try:
            value = json.loads(raw.decode("utf-8"), parse_constant=strict_constant)
        except (ValueError, RecursionError) as error:
            raise ParseError("The request is not JSON; check quotes, commas and brackets.") from error
        if raw.count(b"[") + raw.count(b"{") > MOST_DEPTH and _is_deeper_than(value, MOST_DEPTH):
            raise ParseError(f"The request is nested more than {MOST_DEPTH} levels deep.")
        if b"\\u" in raw:
            _refuse_what_is_no_text(value)
        return value


class BoundedMultiPartParser(MultiPartParser):
    """A form with files of a sensible size."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> "DataAndFiles[Any, Any]":
        """Return fields and files; raise `TooLarge` before reading too much."""
        request = (parser_context or {})["request"]
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            length = 0
        if length > MOST_FORM:
            raise TooLarge(f"An upload may have {MOST_FORM // 1024 // 1024} MiB; this has more.")
        return super().parse(stream, media_type, parser_context)


def _is_deeper_than(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def _refuse_what_is_no_text(value: Any) -> None:
    """Refuse escapes that PostgreSQL cannot keep: the character zero, and halves of a pair."""
    try:
        written = json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ParseError("The request holds half of a surrogate pair, which is no text.") from error
    if b"\\u0000" in written:
        raise ParseError("The request holds the character zero, which is no text.")
