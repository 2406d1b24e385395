"""Every error of the REST API as `application/problem+json` (RFC 9457) with a stable code."""

from dataclasses import asdict
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler

from accounts.errors import AccountRefusal
from reservations.api.planned import planned_shown
from reservations.errors import CannotBook, Invalid, LeasesInTheWay, Refusal, SeriesClash

CONTENT_TYPE = "application/problem+json"


def problem(*, status: int, code: str, title: str, detail: str = "", **extras: Any) -> Response:
    """Return the answer to a request that was refused."""
    body = {"type": f"about:blank#{code}", "title": title, "status": status, "detail": detail, "code": code}
    return Response(body | extras, status=status, content_type=CONTENT_TYPE)


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what a view raised into a problem; None for a bug, which Django logs and answers."""
    if isinstance(error, Refusal):
        return problem(
            status=error.status,
            code=error.code,
            title=_TITLES.get(error.code, "Refused"),
            detail=error.message,
            **_extras_of(error),
        )
    if isinstance(error, AccountRefusal):
        return problem(
            status=error.status,
            code=error.code,
            title=_TITLES.get(error.code, "Refused"),
            detail=error.message,
        )
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    response = exception_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        return None
    code = "invalid" if isinstance(error, exceptions.ValidationError) else str(error.default_code)
    errors = _flatten(error.detail) if code == "invalid" else None
    detail = " ".join(m for ms in errors.values() for m in ms) if errors else str(error.detail)
    answer = problem(
        status=response.status_code,
        code=code,
        title=_TITLES.get(code, str(error.default_detail)),
        detail=detail,
        **({"errors": errors} if errors else {}),
    )
    for header in ("WWW-Authenticate", "Retry-After"):
        if header in response.headers:
            answer.headers[header] = response.headers[header]
    return answer


_TITLES = {
    "cannot_book": "This cannot be booked",
    "invalid": "Something in the request is not right",
    "not_allowed": "You may not do this",
    "not_found": "There is no such thing here",
    "illegal_move": "This cannot be done in the lease's present state",
    "series_clash": "Some occurrences cannot be booked",
    "leases_in_the_way": "Leases are in the way",
}


def _extras_of(error: Refusal) -> dict[str, Any]:
    match error:
        case CannotBook():
            return {
                "refusals": [asdict(refusal) for refusal in error.refusals],
                "alternatives": [asdict(window) for window in error.alternatives],
                "never": error.never,
            }
        case Invalid():
            return {"errors": error.errors}
        case SeriesClash():
            return {"occurrences": [planned_shown(each) for each in error.occurrences]}
        case LeasesInTheWay():
            return {"leases": error.leases}
    return {}


def _flatten(detail: Any, path: str = "") -> dict[str, list[str]]:
    if isinstance(detail, dict):
        found: dict[str, list[str]] = {}
        for name, value in detail.items():
            inner = (
                path if name == api_settings.NON_FIELD_ERRORS_KEY else f"{path}.{name}" if path else str(name)
            )
            found |= _flatten(value, inner)
        return found
    if isinstance(detail, list) and any(isinstance(entry, dict) for entry in detail):
        found = {}
        for place, value in enumerate(detail):
            found |= _flatten(value, f"{path}.{place}" if path else str(place))
        return found
    entries = detail if isinstance(detail, list) else [detail]
    return {path or "request": [str(entry) for entry in entries]} if entries else {}
