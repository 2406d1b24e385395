"""The requests that the worker's key can make."""

from __future__ import annotations

import re
from collections.abc import Callable

from adapters.linux_host.host import requests
from adapters.linux_host.host.problems import Refused
from adapters.linux_host.host.requests import MAX_BYTES, Fields, verb_of

from . import NAME, PROTOCOL, VERSION
from .configuration import normal_pci
from .lease import LEASE_ID
from .verbs import Host

__all__ = ["CHANGES", "MAX_BYTES", "answer", "verb_of"]

CHANGES = ("prepare", "open", "close", "clean")
"""The verbs that change something, beside the mark that `prove` takes off."""

_RESOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/ -]{0,119}")


def answer(text: str, host: Callable[[], Host]) -> str:
    """Return the answer to a request; whatever goes wrong is an answer too."""
    return requests.answer(
        text,
        lambda verb, fields: _perform(verb, fields, host),
        program=NAME,
        protocol=PROTOCOL,
        version=VERSION,
    )


def _perform(verb: str, fields: Fields, make_host: Callable[[], Host]) -> object:
    if verb == "observe":
        with_cards = fields.flag("with_cards")
        fields.done()
        return make_host().observe(with_cards=with_cards)
    if verb not in (*CHANGES, "prove"):
        raise Refused("There is no such verb.")
    lease, epoch = fields.text("lease", LEASE_ID), fields.number("epoch")
    if verb == "prepare":
        resource, cards, ends_at = fields.text("resource", _RESOURCE), _cards(fields), fields.moment("ends_at")
        fields.done()
        make_host().prepare(lease=lease, epoch=epoch, resource=resource, cards=cards, ends_at=ends_at)
    elif verb == "open":
        cards, keys = _cards(fields), fields.keys()
        fields.done()
        make_host().open(lease=lease, epoch=epoch, cards=cards, keys=keys)
    elif verb == "prove":
        cards = _cards(fields)
        fields.done()
        return [vars(check) for check in make_host().prove(lease=lease, epoch=epoch, cards=cards)]
    else:
        fields.done()
        host = make_host()
        (host.close if verb == "close" else host.clean)(lease=lease, epoch=epoch)
    return {}


def _cards(fields: Fields) -> tuple[str, ...]:
    value = fields.anything("cards")
    if not isinstance(value, list) or not 0 < len(value) <= 64:
        raise Refused("The request's “cards” are none.")
    try:
        return tuple(normal_pci(entry) for entry in value)
    except (ValueError, AttributeError):
        raise Refused("Each of the request's “cards” is a PCI address.") from None
