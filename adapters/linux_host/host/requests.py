"""One request as JSON, one answer as JSON: checked to the last field before anything is done."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime

from adapters.linux_host.host.problems import Invalid, Problem, Refused

MAX_BYTES = 256 * 1024

_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com"
    r"|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]{20,4000}={0,2}( [^\x00-\x1f\x7f]{0,200})?"
)


def answer(
    text: str, perform: Callable[[str, Fields], object], *, program: str, protocol: int, version: str
) -> str:
    """Return the answer to a request; whatever goes wrong is an answer too."""
    values: dict[str, object] = {"program": program, "protocol": protocol, "version": version}
    try:
        request = _read(text, protocol)
        values["result"] = perform(str(request.pop("verb", "")), Fields(request))
    except Problem as problem:
        values |= {"problem": problem.code, "message": str(problem)}
    except Exception as error:
        values |= {"problem": "unknown", "message": f"{type(error).__name__}: {error}"}
    return json.dumps(values) + "\n"


def verb_of(text: str) -> str:
    """Return the verb of a request, for logs and emulated faults; empty when it has none."""
    try:
        return str(json.loads(text)["verb"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _read(text: str, protocol: int) -> dict[str, object]:
    if len(text) > MAX_BYTES:
        raise Refused("The request is too long.")
    try:
        request = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("The request is not JSON.") from None
    if not isinstance(request, dict):
        raise Refused("The request is not a JSON object.")
    if request.pop("protocol", None) != protocol:
        raise Invalid(
            f"The program on this host speaks protocol {protocol}: install the one that comes with the worker."
        )
    return request


class Fields:
    """Takes the fields of a request one by one; none may be missing, strange or left over."""

    def __init__(self, values: dict[str, object]) -> None:
        self._values = dict(values)

    def done(self) -> None:
        """Refuse what is left over."""
        if self._values:
            raise Refused(f"The request has what nobody asked for: {', '.join(sorted(self._values))}.")

    def text(self, name: str, shape: re.Pattern[str]) -> str:
        """Return a text of this shape."""
        value = self._values.pop(name, None)
        if not isinstance(value, str) or not shape.fullmatch(value):
            raise Refused(f"The request's “{name}” is none.")
        return value

    def text_or_nothing(self, name: str, shape: re.Pattern[str]) -> str | None:
        """Return a text of this shape, or None where the request says null."""
        if name in self._values and self._values[name] is None:
            del self._values[name]
            return None
        return self.text(name, shape)

    def number(self, name: str) -> int:
        """Return a number that is not negative."""
        value = self._values.pop(name, None)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
            raise Refused(f"The request's “{name}” is none.")
        return value

    def flag(self, name: str) -> bool:
        """Return yes or no."""
        value = self._values.pop(name, None)
        if not isinstance(value, bool):
            raise Refused(f"The request's “{name}” is none.")
        return value

    def anything(self, name: str) -> object:
        """Return whatever the request has there, for the caller to look at."""
        return self._values.pop(name, None)

    def moment(self, name: str) -> datetime:
        """Return a moment with its time zone."""
        value = self._values.pop(name, None)
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            raise Refused(f"The request's “{name}” is none.") from None
        if moment.tzinfo is None:
            raise Refused(f"The request's “{name}” has no time zone.")
        return moment

    def keys(self) -> tuple[str, ...]:
        """Return public keys."""
        value = self._values.pop("keys", None)
        if not isinstance(value, list) or len(value) > 100:
            raise Refused("The request's “keys” are none.")
        for key in value:
            # A line of options before a key, or a second line in it, would let in whom nobody named.
            if not isinstance(key, str) or not _KEY.fullmatch(key):
                raise Refused("A key is not one line in OpenSSH's form, such as “ssh-ed25519 AAAA… name”.")
        return tuple(value)
