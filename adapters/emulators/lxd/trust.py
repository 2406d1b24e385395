"""Whose certificates the daemon trusts, and for which projects.

LXD takes any client certificate and then says whether it trusts it. Python's TLS cannot: it breaks
the connection to a client whose certificate it never saw. A certificate that was trusted once and
is no longer gets LXD's own answer.
"""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.emulators.lxd.certificates import der_of, fingerprint, pem_of
from adapters.emulators.lxd.refusal import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client whose certificate is trusted."""

    name: str
    certificate: str
    projects: tuple[str, ...] | None = None
    """The projects it is restricted to; None for all."""

    @property
    def fingerprint(self) -> str:
        """Return the name of its certificate."""
        return fingerprint(der_of(self.certificate))

    def may_see(self, project: str) -> bool:
        """Say whether it may use the project."""
        return self.projects is None or project in self.projects

    def answer(self) -> dict[str, Any]:
        """Return the client as the API shows it."""
        return {
            "type": "client",
            "name": self.name,
            "fingerprint": self.fingerprint,
            "certificate": self.certificate,
            "restricted": self.projects is not None,
            "projects": list(self.projects or ()),
        }


@dataclass
class TrustStore:
    """The trusted clients, and the TLS context that asks for their certificates."""

    context: ssl.SSLContext
    clients: dict[str, Client] = field(default_factory=dict)

    @classmethod
    def serving(cls, certificate: Path, key: Path) -> "TrustStore":
        """Return an empty store for a server with this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        # A client without a certificate may connect; it is told that it is not trusted.
        context.verify_mode = ssl.CERT_OPTIONAL
        return cls(context)

    def add(self, certificate: str, *, name: str = "", projects: Iterable[str] | None = None) -> Client:
        """Trust a certificate."""
        client = Client(
            name=name,
            certificate=certificate,
            projects=None if projects is None else tuple(projects),
        )
        self.context.load_verify_locations(cadata=certificate)
        self.clients[client.fingerprint] = client
        return client

    def add_der(self, der: bytes, *, name: str, projects: Iterable[str] | None) -> Client:
        """Trust a certificate in binary form."""
        if fingerprint(der) in self.clients:
            raise Refusal(400, "Certificate already in trust store")
        return self.add(pem_of(der), name=name, projects=projects)

    def remove(self, name: str) -> None:
        """Trust a certificate no longer."""
        if self.clients.pop(name, None) is None:
            raise Refusal(404, "Certificate not found")

    def who(self, der: bytes | None) -> Client | None:
        """Return the client behind a certificate; None for a stranger."""
        return self.clients.get(fingerprint(der)) if der else None
