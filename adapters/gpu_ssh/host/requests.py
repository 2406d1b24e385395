"""One request as JSON, one answer as JSON: checked to the last field before anything is done."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime

from adapters.linux_host.host.problems import Invalid, Problem, Refused

from . import PROTOCOL, VERSION
from .configuration import normal_pci
from .lease import LEASE_ID
from .verbs import Host

MAX_BYTES = 256 * 1024
CHANGES = ("prepare", "open", "close", "clean")
"""The verbs that change something, beside the mark that `prove` takes off."""

_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com"
    r"|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]{20,4000}={0,2}( [^\x00-\x1f\x7f]{0,200})?"
)
_RESOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/ -]{0,119}")


def answer(text: str, host: Callable[[], Host]) -> str:
    """Return the answer to a request; whatever goes wrong is an answer too."""
    result: object = None
    try:
        result = _perform(_read(text), host)
    except Problem as problem:
        return _written({"problem": problem.code, "message": str(problem)})
    except Exception as error:
        return _written({"problem": "unknown", "message": f"{type(error).__name__}: {error}"})
    return _written({"result": result})


def verb_of(text: str) -> str:
    """Return the verb of a request, for logs and emulated faults; empty when it has none."""
    try:
        return str(json.loads(text)["verb"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _written(values: dict[str, object]) -> str:
    return json.dumps({"program": "shary-gpu-host", "protocol": PROTOCOL, "version": VERSION, **values}) + "\n"


def _read(text: str) -> dict[str, object]:
    if len(text) > MAX_BYTES:
        raise Refused("The request is too long.")
    try:
        request = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("The request is not JSON.") from None
    if not isinstance(request, dict):
        raise Refused("The request is not a JSON object.")
    if request.pop("protocol", None) != PROTOCOL:
        raise Invalid(
            f"The program on this host speaks protocol {PROTOCOL}: install the one that comes with the worker."
        )
    return request


def _perform(request: dict[str, object], make_host: Callable[[], Host]) -> object:
    verb = request.pop("verb", None)
    fields = _Fields(request)
    if verb == "observe":
        with_cards = fields.flag("with_cards")
        fields.done()
        return make_host().observe(with_cards=with_cards)
    if verb not in ("prepare", "open", "close", "clean", "prove"):
        raise Refused("There is no such verb.")
    lease, epoch = fields.text("lease", LEASE_ID), fields.number("epoch")
    if verb == "prepare":
        resource, cards, ends_at = fields.text("resource", _RESOURCE), fields.cards(), fields.moment("ends_at")
        fields.done()
        make_host().prepare(lease=lease, epoch=epoch, resource=resource, cards=cards, ends_at=ends_at)
    elif verb == "open":
        cards, keys = fields.cards(), fields.keys()
        fields.done()
        make_host().open(lease=lease, epoch=epoch, cards=cards, keys=keys)
    elif verb == "prove":
        cards = fields.cards()
        fields.done()
        return [vars(check) for check in make_host().prove(lease=lease, epoch=epoch, cards=cards)]
    else:
        fields.done()
        host = make_host()
        (host.close if verb == "close" else host.clean)(lease=lease, epoch=epoch)
    return {}


class _Fields:
    """Takes the fields of a request one by one; none may be missing, strange or left over."""

    def __init__(self, values: dict[str, object]) -> None:
        self._values = dict(values)

    def done(self) -> None:
        if self._values:
            raise Refused(f"The request has what nobody asked for: {', '.join(sorted(self._values))}.")

    def text(self, name: str, shape: re.Pattern[str]) -> str:
        value = self._values.pop(name, None)
        if not isinstance(value, str) or not shape.fullmatch(value):
            raise Refused(f"The request's “{name}” is none.")
        return value

    def number(self, name: str) -> int:
        value = self._values.pop(name, None)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
            raise Refused(f"The request's “{name}” is none.")
        return value

    def flag(self, name: str) -> bool:
        value = self._values.pop(name, None)
        if not isinstance(value, bool):
            raise Refused(f"The request's “{name}” is none.")
        return value

    def moment(self, name: str) -> datetime:
        value = self._values.pop(name, None)
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            raise Refused(f"The request's “{name}” is none.") from None
        if moment.tzinfo is None:
            raise Refused(f"The request's “{name}” has no time zone.")
        return moment

    def cards(self) -> tuple[str, ...]:
        value = self._values.pop("cards", None)
        if not isinstance(value, list) or not 0 < len(value) <= 64:
            raise Refused("The request's “cards” are none.")
        try:
            return tuple(normal_pci(entry) for entry in value)
        except (ValueError, AttributeError):
            raise Refused("Each of the request's “cards” is a PCI address.") from None

    def keys(self) -> tuple[str, ...]:
        value = self._values.pop("keys", None)
        if not isinstance(value, list) or len(value) > 100:
            raise Refused("The request's “keys” are none.")
        for key in value:
            # A line of options before a key, or a second line in it, would let in whom nobody named.
            if not isinstance(key, str) or not _KEY.fullmatch(key):
                raise Refused("A key is not one line in OpenSSH's form, such as “ssh-ed25519 AAAA… name”.")
        return tuple(value)
