"""The wire: Redfish over TLS with a pinned certificate, and every failure sorted by its remedy.

It stands on the standard library because the errors have to be exact: a change that was never
sent may be tried again, one that was sent without an answer may not.
"""

import base64
import hashlib
import http.client
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.errors import (
    AdapterError,
    DeviceBusy,
    DeviceRefused,
    DeviceUnreachable,
    InvalidSettings,
    OutcomeUnknown,
)

SESSIONS = "/redfish/v1/SessionService/Sessions"
LONGEST_ANSWER = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a BMC is, how long to wait for it, and how to know that it is the right one."""

    url: str
    certificate: str
    """PEM; see `certificate_of`."""
    certificate_of: str
    """`server`: the BMC's own, compared byte by byte. `authority`: of who signed it."""
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A resource as it was read, with the ETag that a change of it should name."""

    path: str
    body: Mapping[str, Any]
    etag: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    content: bytes
    headers: http.client.HTTPMessage


class Bmc:
    """A login at a BMC, used as a context: it logs in, and out again."""

    def __init__(self, address: Address, *, username: str, password: str) -> None:
        self._address = address
        self._username = username
        self._password = password
        self._token = ""
        self._session = ""
        self._connection: http.client.HTTPSConnection | None = None

    def __enter__(self) -> Self:
        if not self.log_in():
            raise InvalidSettings(
                f"The BMC at {self._address.url} does not let “{self._username}” in. "
                "Check the user name and the secret that holds the password."
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.log_out()

    def log_out(self) -> None:
        """End the session and close the connection."""
        # On a connection that is gone, logging out would only wait once more; the BMC's own timeout ends it.
        if self._connection is not None and self._session:
            with suppress(AdapterError):
                self._ask("DELETE", self._session, changes=False)
        self._close()

    def log_in(self) -> bool:
        """Connect and open a session; False when the BMC refuses the name or the password."""
        self._connection = _connect(self._address)
        try:
            answer = self._ask(
                "POST", SESSIONS, {"UserName": self._username, "Password": self._password}, changes=False
            )
            if answer.status in (401, 403):
                self._close()
                return False
            self._refuse_failure("POST", SESSIONS, answer)
            self._token = answer.headers.get("X-Auth-Token", "")
            self._session = urlsplit(answer.headers.get("Location", "")).path
            if not self._token:
                raise DeviceRefused(
                    f"The BMC at {self._address.url} opened a session and gave no token for it."
                )
        except BaseException:
            self._close()
            raise
        return True

    # --- reading ---

    def find(self, path: str) -> Found | None:
        """Return the resource; None when the BMC says that there is none."""
        answer = self._ask("GET", path, changes=False)
        if answer.status == 404:
            return None
        self._refuse_failure("GET", path, answer)
        return Found(path=path, body=_object_in(answer, path), etag=answer.headers.get("ETag"))

    def read(self, path: str) -> Found:
        """Return the resource; `DeviceRefused` when there is none."""
        found = self.find(path)
        if found is None:
            raise DeviceRefused(f"The BMC at {self._address.url} has no “{path}”. Is it a BlueField's?")
        return found

    def members(self, path: str) -> Iterator[Found]:
        """Return the members of a collection; one that goes away meanwhile is left out."""
        links = self.read(path).body.get("Members", [])
        for link in links:
            found = self.find(str(link["@odata.id"]))
            if found is not None:
                yield found

    # --- changing ---

    def patch(self, found: Found, wishes: Mapping[str, Any]) -> None:
        """Change a resource, unless it has changed since it was read."""
        self._change("PATCH", found.path, wishes, etag=found.etag)

    def post(self, path: str, wishes: Mapping[str, Any]) -> None:
        """Create a member of a collection, or perform an action."""
        self._change("POST", path, wishes)

    def start(self, path: str, wishes: Mapping[str, Any]) -> str:
        """Perform an action that takes its time, and return the path of its task."""
        answer = self._ask("POST", path, wishes, changes=True)
        self._refuse_failure("POST", path, answer)
        with suppress(DeviceUnreachable):
            task = str(_object_in(answer, path).get("@odata.id") or "")
            if task:
                return task
        task = urlsplit(answer.headers.get("Location", "")).path.removesuffix("/Monitor")
        if not task:
            raise OutcomeUnknown(f"The BMC at {self._address.url} took {path} and named no task for it.")
        return task

    def delete(self, path: str) -> None:
        """Delete a resource; that it is gone already is fine."""
        self._change("DELETE", path, None, gone_is_fine=True)

    def _change(
        self,
        method: str,
        path: str,
        wishes: Mapping[str, Any] | None,
        *,
        etag: str | None = None,
        gone_is_fine: bool = False,
    ) -> None:
        answer = self._ask(method, path, wishes, changes=True, etag=etag)
        if not (gone_is_fine and answer.status == 404):
            self._refuse_failure(method, path, answer)

    # --- the wire ---

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        changes: bool,
        etag: str | None = None,
    ) -> _Answer:
        connection = self._connection
        if connection is None:
            raise DeviceUnreachable(f"The connection to the BMC at {self._address.url} is gone.")
        headers = {"Accept": "application/json", "OData-Version": "4.0"}
        if self._token:
            headers["X-Auth-Token"] = self._token
        if etag:
            headers["If-Match"] = etag
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body=content, headers=headers)
            response = connection.getresponse()
            return _Answer(
                status=response.status,
                content=_read(response, within_s=self._address.timeout_s),
                headers=response.headers,
            )
        except (OSError, http.client.HTTPException) as error:
            self._close()
            words = f"The BMC at {self._address.url} did not answer {method} {path}: {error!r}."
            if changes:
                raise OutcomeUnknown(f"{words} The change may have been made.") from error
            raise DeviceUnreachable(f"{words} Nothing was changed.") from error

    def _refuse_failure(self, method: str, path: str, answer: _Answer) -> None:
        status = answer.status
        if status < 300:
            return
        said = f"The BMC at {self._address.url} answered {method} {path} with {status}: {_words_of(answer)}"
        if status == 403:
            raise InvalidSettings(f"{said} “{self._username}” has to be an administrator of the BMC.")
        if status == 412:
            raise DeviceBusy(f"{said} Somebody else is changing the card at this moment.")
        if status in (401, 429, 503):
            raise DeviceUnreachable(f"{said} Nothing was changed.")
        if status >= 500 and method != "GET":
            raise OutcomeUnknown(f"{said} The change may have been made.")
        if status >= 500:
            raise DeviceUnreachable(said)
        raise DeviceRefused(said)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def can_log_in(address: Address, *, username: str, password: str) -> bool:
    """Try to log in, as a holder would."""
    bmc = Bmc(address, username=username, password=password)
    if not bmc.log_in():
        return False
    bmc.log_out()
    return True


def public_key_pin(certificate: str) -> str:
    """Return the pin of the first certificate's public key, as curl's `--pinnedpubkey` takes it."""
    key = x509.load_der_x509_certificate(_certificates_in(certificate)[0]).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return f"sha256//{base64.b64encode(digest).decode()}"


def _connect(address: Address) -> http.client.HTTPSConnection:
    parts = urlsplit(address.url)
    pinned = _certificates_in(address.certificate)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if address.certificate_of == "authority":
        tls.load_verify_locations(cadata=address.certificate)
    else:
        # The certificate itself is compared below, before anything is sent: stricter than any chain.
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        parts.hostname or "", parts.port or 443, timeout=address.timeout_s, context=tls
    )
    try:
        connection.connect()
        shown = connection.sock.getpeercert(binary_form=True)
        if address.certificate_of == "server" and shown not in pinned:
            raise ssl.SSLCertVerificationError("it shows another certificate than the pinned one")
    except ssl.SSLCertVerificationError as error:
        connection.close()
        raise InvalidSettings(
            f"The BMC at {address.url} cannot be trusted: {error}. If its certificate was renewed, "
            "put the new one into the secret; if not, somebody may stand between."
        ) from error
    except OSError as error:
        connection.close()
        raise DeviceUnreachable(
            f"The BMC at {address.url} cannot be reached: {error!r}. Nothing was sent."
        ) from error
    return connection


def _certificates_in(pem: str) -> list[bytes]:
    end = "-----END CERTIFICATE-----"
    found = []
    for block in pem.split(end)[:-1]:
        with suppress(ValueError):
            begin = block.index("-----BEGIN CERTIFICATE-----")
            found.append(ssl.PEM_cert_to_DER_cert(block[begin:] + end))
    if not found:
        raise InvalidSettings("The secret with the BMC's certificate holds no certificate in PEM form.")
    return found


def _read(response: http.client.HTTPResponse, *, within_s: float) -> bytes:
    deadline = time.monotonic() + within_s
    content = b""
    while chunk := response.read1(65536):
        content += chunk
        if len(content) > LONGEST_ANSWER:
            raise http.client.HTTPException(f"an answer of more than {LONGEST_ANSWER} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError("the answer trickles in too slowly")
    return content + response.read()  # nothing any more, but it tells the connection that this answer is over


def _object_in(answer: _Answer, path: str) -> Mapping[str, Any]:
    try:
        body = json.loads(answer.content)
    except ValueError as error:
        raise DeviceUnreachable(f"The BMC's answer for {path} is not JSON: nothing was learned.") from error
    if not isinstance(body, dict):
        raise DeviceUnreachable(f"The BMC's answer for {path} is not an object: nothing was learned.")
    return body


def _words_of(answer: _Answer) -> str:
    """Return what the extended information says, shortened; the device's own words."""
    with suppress(ValueError, KeyError, TypeError, IndexError, AttributeError):
        error = json.loads(answer.content)["error"]
        entries = error.get("@Message.ExtendedInfo") or [{"Message": error["message"]}]
        return " ".join(str(entry["Message"]) for entry in entries)[:500]
    return "(no reason given)"
