"""The requests that the worker's key can make."""

from __future__ import annotations

import re
from collections.abc import Callable

from adapters.linux_host.host import requests
from adapters.linux_host.host.problems import Refused
from adapters.linux_host.host.requests import MAX_BYTES, Fields, verb_of

from . import NAME, PROTOCOL, VERSION
from .verbs import Switch

__all__ = ["CHANGES", "MAX_BYTES", "answer", "verb_of"]

CHANGES = ("prepare", "open", "close", "clean")
"""The verbs that change something, beside the mark that `prove` takes off."""

_LEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")


def answer(text: str, switch: Callable[[], Switch]) -> str:
    """Return the answer to a request; whatever goes wrong is an answer too."""
    return requests.answer(
        text,
        lambda verb, fields: _perform(verb, fields, switch),
        program=NAME,
        protocol=PROTOCOL,
        version=VERSION,
    )


def _perform(verb: str, fields: Fields, make_switch: Callable[[], Switch]) -> object:
    if verb == "observe":
        fields.done()
        return make_switch().observe()
    if verb not in (*CHANGES, "prove"):
        raise Refused("There is no such verb.")
    lease, epoch = fields.text("lease", _LEASE), fields.number("epoch")
    if verb == "prepare":
        account, ends_at = fields.text("account", _ACCOUNT), fields.moment("ends_at")
        fields.done()
        make_switch().prepare(lease=lease, epoch=epoch, account=account, ends_at=ends_at)
    elif verb == "open":
        keys = fields.keys()
        fields.done()
        make_switch().open(lease=lease, epoch=epoch, keys=keys)
    elif verb == "prove":
        name = fields.text_or_nothing("account", _ACCOUNT)
        fields.done()
        return [vars(check) for check in make_switch().prove(lease=lease, epoch=epoch, account=name)]
    else:
        fields.done()
        switch = make_switch()
        (switch.close if verb == "close" else switch.clean)(lease=lease, epoch=epoch)
    return {}
