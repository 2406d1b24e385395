"""What the BMC answers, and how it says no: Redfish bodies with extended information."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request whose sender has been made out."""

    method: str
    path: str
    body: Any = None
    if_match: str | None = None
    username: str = ""
    session_id: str = ""
    privileges: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, body and headers of an answer."""

    status: int
    body: Body | None = None
    headers: dict[str, str] = field(default_factory=dict)


def found(path: str, kind: str, **properties: Any) -> Answer:
    """Show a resource."""
    body: Body = {"@odata.id": path, "@odata.type": f"#{kind}", "Id": path.rsplit("/", 1)[-1]}
    return Answer(status=200, body=body | properties)


def members(path: str, kind: str, paths: list[str]) -> Answer:
    """Show a collection."""
    links = [{"@odata.id": member} for member in paths]
    return found(path, f"{kind}.{kind}", Members=links, **{"Members@odata.count": len(links)})


class Refusal(Exception):
    """The BMC says no."""

    def __init__(self, status: int, message_id: str, message: str, **headers: str) -> None:
        super().__init__(message)
        entry = {
            "@odata.type": "#Message.v1_1_1.Message",
            "Message": message,
            "MessageArgs": [],
            "MessageId": f"Base.1.18.1.{message_id}",
            "MessageSeverity": "Warning",
            "Resolution": "See the message.",
        }
        error = {"@Message.ExtendedInfo": [entry], "code": entry["MessageId"], "message": message}
        self.answer = Answer(status=status, body={"error": error}, headers=headers)


def etag_of(body: Body) -> str:
    """Return the strong ETag of a body."""
    text = json.dumps(body, sort_keys=True)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:16].upper()}"'


def not_found(path: str) -> Refusal:
    """There is no such resource."""
    return Refusal(404, "ResourceNotFound", f"The requested resource “{path}” was not found.")


def not_allowed(allowed: str) -> Refusal:
    """The resource does not know the method."""
    return Refusal(405, "OperationNotAllowed", "The resource does not allow this method.", Allow=allowed)


def unauthorized() -> Refusal:
    """Nobody, or nobody known, is asking."""
    return Refusal(401, "AccessDenied", "Log in first.", **{"WWW-Authenticate": "Basic"})


def no_privilege() -> Refusal:
    """The account may not do this."""
    return Refusal(403, "InsufficientPrivilege", "The account does not have the privileges for this.")


def bad_value(name: str, value: object) -> Refusal:
    """The value cannot be taken."""
    return Refusal(400, "PropertyValueNotInList", f"The value “{value}” of “{name}” is not acceptable.")


def unknown_property(name: str) -> Refusal:
    """The property is none of the resource's."""
    return Refusal(400, "PropertyUnknown", f"The property “{name}” is not one of this resource.")


def missing_property(name: str) -> Refusal:
    """The property has to be there."""
    return Refusal(400, "PropertyMissing", f"The property “{name}” is required.")


def no_precondition() -> Refusal:
    """A change has to name the state that it was made for."""
    return Refusal(428, "PreconditionRequired", "Read the resource first, and name its ETag in If-Match.")


def success() -> Answer:
    """Done; nothing more to say."""
    return Answer(status=204)
