"""A BlueField's BMC as its holder sees it, and the emulator as only the tests see it."""

import base64
import http.client
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from adapters.contract import Access, LeaseOrder
from adapters.emulators.redfish import RedfishEmulator
from tests.adapters.conformance import Fault

SYSTEM = "/redfish/v1/Systems/Bluefield"
SESSIONS = "/redfish/v1/SessionService/Sessions"


class Caller:
    """A plain HTTPS client on one connection."""

    def __init__(self, host: str, port: int, *, login: tuple[str, str] | None = None) -> None:
        # Who the device is, is the adapter's business; the probe only asks whether it lets anybody in.
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        self.connection = http.client.HTTPSConnection(host, port, timeout=30, context=tls)
        self.headers = {"Content-Type": "application/json"}
        if login is not None:
            self.headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def ask(self, method: str, path: str, body: object = None, **headers: str):
        if method == "PATCH" and "If-Match" not in headers:
            # The BMC wants to know for which state a change was made; the tests mean: for that of now.
            etag = self.ask("GET", path)[2]["ETag"]
            headers |= {"If-Match": etag} if etag else {}
        content = None if body is None else json.dumps(body)
        self.connection.request(method, path, body=content, headers=self.headers | headers)
        answer = self.connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None, answer.headers

    def log_in(self, name: str, password: str) -> bool:
        status, _, headers = self.ask("POST", SESSIONS, {"UserName": name, "Password": password})
        if status == 201:
            self.headers["X-Auth-Token"] = headers["X-Auth-Token"]
        return status == 201


class HeldSession:
    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def alive(self) -> bool:
        try:
            return self.caller.ask("GET", SYSTEM)[0] == 200
        except (OSError, http.client.HTTPException):
            return False


class BmcProbe:
    """The device for the conformance tests; works on real hardware too."""

    def __init__(self, see: Callable[[LeaseOrder], list[str]]) -> None:
        self.residue = see

    def can_enter(self, access: Access, order: LeaseOrder) -> bool:
        endpoint = access.endpoints[0]
        with Caller(endpoint.host, endpoint.port) as caller:
            entered = caller.log_in(endpoint.username, endpoint.secret)
            return entered and caller.ask("GET", SYSTEM)[0] == 200

    @contextmanager
    def hold_session(self, access: Access, order: LeaseOrder) -> Iterator[HeldSession]:
        endpoint = access.endpoints[0]
        with Caller(endpoint.host, endpoint.port) as caller:
            assert caller.log_in(endpoint.username, endpoint.secret), "the holder could not log in"
            yield HeldSession(caller)


class EmulatorProbe(BmcProbe):
    def __init__(self, bmc: RedfishEmulator) -> None:
        super().__init__(self._residue)
        self.bmc = bmc

    def break_with(self, fault: Fault) -> None:
        self.bmc.break_with(fault)

    def mend(self) -> None:
        self.bmc.mend()

    def changes(self) -> int:
        return self.bmc.card.changes

    def _residue(self, order: LeaseOrder) -> list[str]:
        card = self.bmc.card
        found = [f"account {name}" for name in card.accounts if name != "root"]
        found += [f"session of {s.username}" for s in card.sessions.values() if s.username != "root"]
        if order.lease_id in card.asset_tag:
            found.append(f"asset tag {card.asset_tag}")
        # The accounts' names are digests: with another lease's tag in place they are that lease's.
        return [] if card.asset_tag.startswith("shary:") and order.lease_id not in card.asset_tag else found


def over_redfish(host: str, port: int, login: tuple[str, str]) -> Callable[[LeaseOrder], list[str]]:
    """See what is left on a real BMC, by the administrator's account."""

    def see(order: LeaseOrder) -> list[str]:
        with Caller(host, port, login=login) as caller:
            tag = caller.ask("GET", SYSTEM)[1].get("AssetTag") or ""
            accounts = caller.ask("GET", "/redfish/v1/AccountService/Accounts")[1]["Members"]
            names = [link["@odata.id"].rsplit("/", 1)[-1] for link in accounts]
        if order.lease_id not in tag and tag.startswith("shary:"):
            return []
        return [name for name in names if name.startswith("shy")] + [tag] * (order.lease_id in tag)

    return see
