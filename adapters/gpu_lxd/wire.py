"""The wire to an LXD server: one pinned connection, a deadline on each request, our errors."""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pylxd
import requests
from cryptography import x509
from pylxd.client import LXDSSLAdapter, get_session_for_url
from pylxd.exceptions import ClientConnectionFailed, LXDAPIException, NotFound
from urllib3.exceptions import MaxRetryError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from adapters.contract import Secrets
from adapters.errors import (
    AdapterError,
    DeviceBusy,
    DeviceRefused,
    DeviceUnreachable,
    InvalidSettings,
    OutcomeUnknown,
)
from adapters.gpu_lxd.settings import LxdSettings

PAUSE_S = 0.05
_BUSY_WORDS = ("is busy running", "busy running a", "instance is busy", "currently in use")


class _Pinned(LXDSSLAdapter):  # type: ignore[misc]  # pylxd has no types
    """Believes the one certificate by its fingerprint, as pylxd has it, and nothing else."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        # Without this, urllib3 reads all authorities of the machine for each connection, to no use:
        # 35 ms of processor time. What is compared is the fingerprint, after the handshake.
        context = create_urllib3_context(cert_reqs=ssl.CERT_NONE)
        super().init_poolmanager(*args, ssl_context=context, **more)


class LxdWire:
    """A fresh connection to the LXD server of a site, and how changes go over it."""

    def __init__(self, *, settings: LxdSettings, secrets: Secrets) -> None:
        self.settings = settings
        endpoint = settings.endpoint.rstrip("/")
        certificate = (secrets.path(settings.certificate_secret), secrets.path(settings.key_secret))
        pinned = secrets.path(settings.server_certificate_secret)
        _refuse_unusable(settings, certificate, pinned)
        session = get_session_for_url(endpoint, cert=certificate, verify=pinned)
        session.mount(endpoint, _Pinned())
        # REQUESTS_CA_BUNDLE in the worker's environment would take the place of the pinned certificate.
        session.trust_env = False
        with self.translated("reach the LXD server", changes=False):
            # Without a project: the requests that look over all projects must not carry one.
            self.lxd = pylxd.Client(endpoint=endpoint, session=session, timeout=settings.timeout_s)
        if not self.lxd.trusted:
            session.close()
            raise InvalidSettings(
                f"The LXD server at {endpoint} does not trust the certificate in the secret "
                f"“{settings.certificate_secret}”. Its operator adds it with “lxc config trust add”."
            )
        self._session = session
        self.server_name: str = self.lxd.host_info.get("environment", {}).get("server_name", "")

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def change(self, what: str, send: Callable[[], Any], *, seen: Callable[[], bool]) -> None:
        """Send a change and wait until LXD has finished it.

        LXD refuses while another operation runs on the instance, for some seconds after a restart
        of the daemon too: that is waited out.
        """
        deadline = time.monotonic() + self.settings.settle_s
        while True:
            sent = False
            try:
                with self.translated(what, changes=True):
                    body = send().json()
                    sent = True
                    if body.get("type") == "async":
                        self._wait(what, body["operation"], deadline, seen)
                    return
            except DeviceBusy:
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_S)
            except DeviceUnreachable as error:
                if sent:
                    raise OutcomeUnknown(str(error)) from error
                raise

    def _wait(self, what: str, operation: str, deadline: float, seen: Callable[[], bool]) -> None:
        node = self.lxd.api.operations[operation.split("?")[0].rpartition("/")[2]]
        # The server must answer before the request times out.
        longest = int(self.settings.timeout_s / 2)
        while time.monotonic() < deadline:
            try:
                state = self.get(node.wait, timeout=longest)
            except NotFound:
                # The daemon forgets its operations when it starts: only a look can tell.
                return self._look_for(what, seen, deadline)
            if state["status_code"] == 200:
                return None
            if state["status_code"] >= 400:
                raise _refusal(what, str(state.get("err") or state.get("status")))
            time.sleep(PAUSE_S if longest == 0 else 0.01)
        raise OutcomeUnknown(f"LXD did not finish in {self.settings.settle_s:g} s: {what}.")

    def _look_for(self, what: str, seen: Callable[[], bool], deadline: float) -> None:
        while not seen():
            if time.monotonic() > deadline:
                raise OutcomeUnknown(f"LXD has forgotten the operation, and it shows no effect: {what}.")
            time.sleep(PAUSE_S)

    def get(self, node: Any, **parameters: Any) -> Any:
        """Return what the server keeps at a place of its API."""
        return node.get(params=parameters).json()["metadata"]

    @contextmanager
    def translated(self, what: str, *, changes: bool) -> Iterator[None]:
        """Turn what pylxd and requests raise into the adapters' errors."""
        try:
            yield
        except AdapterError:
            raise
        except LXDAPIException as error:
            raise _from_answer(what, error, changes=changes) from error
        except (requests.RequestException, ClientConnectionFailed) as error:
            raise self._from_network(what, error, changes=changes) from error
        except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
            # A proxy's error page, or a server that is no LXD.
            problem = f"The answer of {self.settings.endpoint} makes no sense ({error!r}): {what}."
            raise (OutcomeUnknown(problem) if changes else DeviceUnreachable(problem)) from error

    def _from_network(self, what: str, error: Exception, *, changes: bool) -> AdapterError:
        where, cause = self.settings.endpoint, error
        if isinstance(error, ClientConnectionFailed) and isinstance(error.__context__, Exception):
            cause = error.__context__
        words = str(cause)
        if isinstance(cause, requests.exceptions.SSLError):
            if "ingerprint" in words or "CERTIFICATE" in words.upper():
                return InvalidSettings(
                    f"The server at {where} shows another certificate than the one in the secret "
                    f"“{self.settings.server_certificate_secret}”. If it was renewed, store the new one; "
                    f"if not, somebody may be in between. ({words})"
                )
            if "alert" in words:
                return InvalidSettings(f"The server at {where} refused our certificate: {words}.")
        if not changes or isinstance(cause, requests.exceptions.ConnectTimeout) or _was_never_sent(cause):
            return DeviceUnreachable(f"No answer from {where} ({words}): {what}.")
        return OutcomeUnknown(f"Sent to {where}, but no answer came ({words}): {what}.")


def _refuse_unusable(settings: LxdSettings, certificate: tuple[str, str], pinned: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(*certificate)
    except (OSError, ValueError) as error:
        raise InvalidSettings(
            f"The secrets “{settings.certificate_secret}” and “{settings.key_secret}” are no certificate "
            f"with its key ({error}). Both are needed in PEM, as “lxc remote generate-certificate” makes them."
        ) from error
    try:
        x509.load_pem_x509_certificate(Path(pinned).read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidSettings(
            f"The secret “{settings.server_certificate_secret}” holds no certificate in PEM ({error}). "
            "It is the server's server.crt."
        ) from error


def _was_never_sent(error: Exception) -> bool:
    reason = error.args[0] if error.args else None
    return isinstance(reason, MaxRetryError) and isinstance(reason.reason, NewConnectionError)


def _from_answer(what: str, error: LXDAPIException, *, changes: bool) -> AdapterError:
    status, words = error.response.status_code, str(error)[:500]
    if status == 403:
        return InvalidSettings(f"LXD does not let our certificate {what}: {words}.")
    if status == 412:
        return DeviceBusy(f"Somebody else changed it at the same time: {what}.")
    if status in (502, 503, 504):
        problem = f"LXD is not ready ({words}): {what}."
        return DeviceUnreachable(problem) if status == 503 or not changes else OutcomeUnknown(problem)
    return _refusal(what, words)


def _refusal(what: str, words: str) -> AdapterError:
    if any(hint in words.lower() for hint in _BUSY_WORDS):
        return DeviceBusy(f"LXD is busy ({words}): {what}.")
    return DeviceRefused(f"LXD refused to {what}: {words}.")
