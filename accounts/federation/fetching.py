"""Asking a provider over the network: encrypted, bounded, and without being led elsewhere."""

from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.utils.translation import gettext as _

TIMEOUT_S = 10
MOST_BYTES = 4 * 1024 * 1024


class CannotAsk(requests.RequestException):
    """The provider was not asked, or what it answered is not read; the words say why."""


def address_problem(address: str) -> str:
    """Return why a provider's address may not be used; empty if it may.

    Only `settings.SHARY_LOOPBACK_ISSUERS`, which is for development and tests, lets plain http pass, and
    that on the machine itself.
    """
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return _("“%(address)s” is no address.") % {"address": address}
    if not host or parts.username or parts.password or parts.fragment:
        return _("“%(address)s” must be an address with a host, without a user or a fragment.") % {
            "address": address
        }
    if parts.scheme == "https":
        return ""
    if parts.scheme == "http" and settings.SHARY_LOOPBACK_ISSUERS and _is_loopback(host):
        return ""
    return _(
        "“%(address)s” must begin with https://: whoever sits between could otherwise sign in as anybody."
    ) % {"address": address}


def bounded_session() -> requests.Session:
    """Return a session for talking to providers: short, small, without redirects, over TLS."""
    session = _BoundedSession()
    session.request = partial(session.request, timeout=TIMEOUT_S)  # type: ignore[method-assign]
    return session


def fetch_text(address: str, *, most_bytes: int = MOST_BYTES) -> str:
    """Return what an address answers; raise `CannotAsk` when it is not to be used, or is too much."""
    problem = address_problem(address)
    if problem:
        raise CannotAsk(problem)
    with bounded_session() as session:
        answer = session.get(address)
    if not answer.ok:
        raise CannotAsk(
            _("%(address)s answered with status %(status)d.")
            % {"address": address, "status": answer.status_code}
        )
    if len(answer.content) > most_bytes:
        raise CannotAsk(_("%(address)s sent more than is read.") % {"address": address})
    return answer.text


class _BoundedSession(requests.Session):
    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        problem = address_problem(request.url or "")
        if problem:
            raise CannotAsk(problem)
        answer = super().send(request, **(kwargs | {"allow_redirects": False, "stream": True}))
        if answer.is_redirect:
            answer.close()
            raise CannotAsk(
                _("%(address)s sends elsewhere; name the final address.") % {"address": request.url}
            )
        content = b""
        for piece in answer.iter_content(64 * 1024):
            content += piece
            if len(content) > MOST_BYTES:
                answer.close()
                raise CannotAsk(_("%(address)s sent more than is read.") % {"address": request.url})
        answer._content = content  # noqa: SLF001 - read by ourselves, for there is no other way to bound it
        return answer


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
