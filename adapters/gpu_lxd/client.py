"""The wire to an LXD server: one pinned connection, a deadline on each request, our errors."""

import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pylxd
import requests
from cryptography import x509
from pylxd.client import get_session_for_url
from pylxd.exceptions import ClientConnectionFailed, LXDAPIException, NotFound
from urllib3.exceptions import MaxRetryError, NewConnectionError

from adapters.contract import Secrets
from adapters.errors import (
    AdapterError,
    DeviceBusy,
    DeviceRefused,
    DeviceUnreachable,
    InvalidSettings,
    OutcomeUnknown,
)
from adapters.gpu_lxd.instance import Card, Instance
from adapters.gpu_lxd.settings import LxdSettings
from adapters.pci import normal_form

_PAUSE_S = 0.05
_BUSY_WORDS = ("is busy running", "busy running a", "instance is busy", "currently in use")


class LxdClient:
    """A fresh connection to the LXD server of a site."""

    def __init__(self, *, settings: LxdSettings, secrets: Secrets) -> None:
        self.settings = settings
        endpoint = settings.endpoint.rstrip("/")
        certificate = (secrets.path(settings.certificate_secret), secrets.path(settings.key_secret))
        pinned = secrets.path(settings.server_certificate_secret)
        _refuse_unusable(settings, certificate, pinned)
        session = get_session_for_url(endpoint, cert=certificate, verify=pinned)
        # REQUESTS_CA_BUNDLE in the worker's environment would take the place of the pinned certificate.
        session.trust_env = False
        with self._translated("reach the LXD server", changes=False):
            # Without a project: the requests that look over all projects must not carry one.
            self._lxd = pylxd.Client(endpoint=endpoint, session=session, timeout=settings.timeout_s)
        if not self._lxd.trusted:
            session.close()
            raise InvalidSettings(
                f"The LXD server at {endpoint} does not trust the certificate in the secret "
                f"“{settings.certificate_secret}”. Its operator adds it with “lxc config trust add”."
            )
        self._session = session
        self.server_name: str = self._lxd.host_info.get("environment", {}).get("server_name", "")

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def __enter__(self) -> "LxdClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- looking --------------------------------------------------------------------------------

    def instance(self, name: str) -> Instance | None:
        """Return the instance of our project, or None when LXD says that there is none."""
        with self._translated(f"look at the instance “{name}”", changes=False):
            try:
                return Instance.read(self._get(self._at(name), project=self.settings.project))
            except NotFound:
                return None

    def instances(self) -> tuple[Instance, ...]:
        """Return all instances of all projects that our certificate may see."""
        with self._translated("list the instances", changes=False):
            try:
                answer = self._get(self._lxd.api.instances, recursion=1, **{"all-projects": "true"})
            except LXDAPIException as error:
                # A certificate that is restricted to projects may not ask for all of them at once.
                if error.response.status_code not in (400, 403):
                    raise
                answer = [
                    entry
                    for project in self._projects()
                    for entry in self._get(self._lxd.api.instances, recursion=1, project=project)
                ]
            return tuple(Instance.read(entry) for entry in answer)

    def cards(self) -> dict[str, Card]:
        """Return the graphics cards of the server's machine by PCI address."""
        with self._translated("read the hardware", changes=False):
            listed = (self._get(self._lxd.api.resources).get("gpu") or {}).get("cards") or []
        cards = {}
        for entry in listed:
            if not entry.get("pci_address"):
                continue
            pci = normal_form(entry["pci_address"])
            nvidia = entry.get("nvidia") or {}
            drm_id = (entry.get("drm") or {}).get("id")
            cards[pci] = Card(
                pci=pci,
                model=nvidia.get("model") or entry.get("product") or entry.get("product_id") or "graphics card",
                uuid=nvidia.get("uuid") or "",
                driver=entry.get("driver") or "",
                drm_id="" if drm_id is None else str(drm_id),
                vendor_id=entry.get("vendor_id") or "",
                product_id=entry.get("product_id") or "",
            )
        return cards

    def own_address(self, name: str) -> str | None:
        """Return the address under which a running instance is reached from outside."""
        with self._translated(f"read the addresses of “{name}”", changes=False):
            state = self._get(self._at(name).state, project=self.settings.project)
        for interface, card in sorted((state.get("network") or {}).items()):
            for address in card.get("addresses") or [] if interface != "lo" else []:
                if address.get("scope") == "global":
                    return str(address["address"])
        return None

    def read_file(self, name: str, path: str) -> bytes | None:
        """Return a file of the instance, or None when it has none at that path."""
        with self._translated(f"read {path} in “{name}”", changes=False):
            try:
                answer = self._at(name).files.get(
                    params={"path": path, "project": self.settings.project}, is_api=False
                )
            except NotFound:
                return None
            content: bytes = answer.content
            return content

    def await_agent(self, name: str) -> None:
        """Wait until the agent in a virtual machine answers, without which no file can be written."""
        deadline = time.monotonic() + self.settings.settle_s
        while True:
            try:
                self.read_file(name, "/")
            except (DeviceBusy, DeviceRefused):
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
            else:
                return

    # --- changing -------------------------------------------------------------------------------

    def create(self, wish: Mapping[str, Any]) -> None:
        """Make an instance; one that is there already under this name is left as it is."""
        name = str(wish["name"])
        try:
            self._change(
                f"make the instance “{name}”",
                lambda: self._lxd.api.instances.post(json=dict(wish), params=self._project()),
                seen=lambda: self.instance(name) is not None,
            )
        except DeviceRefused as error:
            # The caller compares the tags of what is there.
            if "already exists" not in str(error):
                raise

    def patch(self, name: str, wish: Mapping[str, Any]) -> None:
        """Change single keys of an instance's configuration or single devices of it."""
        self._change(
            f"change the instance “{name}”",
            lambda: self._at(name).patch(json=dict(wish), params=self._project()),
            seen=lambda: self.instance(name) is not None,
        )

    def start(self, name: str) -> None:
        """Start an instance; a running one is left alone."""
        self._switch(name, "start", running=True)

    def stop(self, name: str) -> None:
        """Stop an instance at once, as if its power failed; a stopped one is left alone."""
        self._switch(name, "stop", running=False)

    def delete(self, name: str) -> None:
        """Delete a stopped instance; one that is gone is fine."""

        def seen() -> bool:
            return self.instance(name) is None

        try:
            self._change(
                f"delete the instance “{name}”",
                lambda: self._at(name).delete(params=self._project()),
                seen=seen,
            )
        except DeviceRefused:
            if not seen():
                raise

    def write_file(self, name: str, path: str, content: str, *, uid: int) -> None:
        """Write a file that only its owner can read, and make its folder if it has none."""
        folder = path.rpartition("/")[0]
        if self.read_file(name, folder) is None:
            self._post_file(name, folder, "", uid=uid, kind="directory", mode="0700")
        self._post_file(name, path, content, uid=uid, kind="file", mode="0600")

    def _post_file(self, name: str, path: str, content: str, *, uid: int, kind: str, mode: str) -> None:
        headers = {
            "X-LXD-type": kind,
            "X-LXD-mode": mode,
            "X-LXD-uid": str(uid),
            "X-LXD-gid": str(uid),
            "X-LXD-write": "overwrite",
            "Content-Type": "application/octet-stream",
        }
        with self._translated(f"write {path} in “{name}”", changes=True):
            self._at(name).files.post(
                params=self._project() | {"path": path}, data=content.encode(), headers=headers
            )

    # --- underneath -----------------------------------------------------------------------------

    def _switch(self, name: str, action: str, *, running: bool) -> None:
        def seen() -> bool:
            instance = self.instance(name)
            return instance is not None and (instance.status == ("Running" if running else "Stopped"))

        wish = {"action": action, "force": not running, "timeout": int(self.settings.settle_s) or 1}
        try:
            self._change(
                f"{action} the instance “{name}”",
                lambda: self._at(name).state.put(json=wish, params=self._project()),
                seen=seen,
            )
        except DeviceRefused:
            # “The instance is already running” and its like: what counts is how it is now.
            if not seen():
                raise

    def _change(self, what: str, send: Callable[[], Any], *, seen: Callable[[], bool]) -> None:
        """Send a change and wait until LXD has finished it.

        LXD refuses while another operation runs on the instance, for some seconds after a restart
        of the daemon too: that is waited out.
        """
        deadline = time.monotonic() + self.settings.settle_s
        while True:
            sent = False
            try:
                with self._translated(what, changes=True):
                    body = send().json()
                    sent = True
                    if body.get("type") == "async":
                        self._wait(what, body["operation"], deadline, seen)
                    return
            except DeviceBusy:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_S)
            except DeviceUnreachable as error:
                if sent:
                    raise OutcomeUnknown(str(error)) from error
                raise

    def _wait(self, what: str, operation: str, deadline: float, seen: Callable[[], bool]) -> None:
        node = self._lxd.api.operations[operation.split("?")[0].rpartition("/")[2]]
        # The server must answer before the request times out.
        longest = int(self.settings.timeout_s / 2)
        while time.monotonic() < deadline:
            try:
                state = self._get(node.wait, timeout=longest)
            except NotFound:
                # The daemon forgets its operations when it starts: only a look can tell.
                return self._look_for(what, seen, deadline)
            if state["status_code"] == 200:
                return None
            if state["status_code"] >= 400:
                raise _refusal(what, str(state.get("err") or state.get("status")))
            time.sleep(_PAUSE_S if longest == 0 else 0.01)
        raise OutcomeUnknown(f"LXD did not finish in {self.settings.settle_s:g} s: {what}.")

    def _look_for(self, what: str, seen: Callable[[], bool], deadline: float) -> None:
        while not seen():
            if time.monotonic() > deadline:
                raise OutcomeUnknown(f"LXD has forgotten the operation, and it shows no effect: {what}.")
            time.sleep(_PAUSE_S)

    def _at(self, name: str) -> Any:
        return self._lxd.api.instances[name]

    def _project(self) -> dict[str, str]:
        return {"project": self.settings.project}

    def _projects(self) -> Sequence[str]:
        return [entry["name"] for entry in self._get(self._lxd.api.projects, recursion=1)]

    def _get(self, node: Any, **parameters: Any) -> Any:
        return node.get(params=parameters).json()["metadata"]

    @contextmanager
    def _translated(self, what: str, *, changes: bool) -> Iterator[None]:
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
