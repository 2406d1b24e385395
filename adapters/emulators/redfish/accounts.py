"""Accounts, roles and sessions of the BMC."""

import itertools
import re
from collections.abc import Callable
from typing import Any

from adapters.emulators.redfish.card import LOCKOUT_AFTER, LOCKOUT_S, PRIVILEGES, Account, Card
from adapters.emulators.redfish.messages import (
    Answer,
    Body,
    Refusal,
    Request,
    bad_value,
    found,
    members,
    missing_property,
    no_privilege,
    not_found,
    success,
    unauthorized,
    unknown_property,
)

ACCOUNTS = "/redfish/v1/AccountService/Accounts"
ROLES = "/redfish/v1/AccountService/Roles"
SESSIONS = "/redfish/v1/SessionService/Sessions"
MOST_ACCOUNTS = 15
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,15}")

Handler = Callable[[Request, re.Match[str]], Answer]


class AccountResources:
    """The part of the service that knows who may log in and who is."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def account_table(self) -> dict[str, dict[str, tuple[str, Handler]]]:
        """Return the routes: path, then method, then privilege and handler."""
        return {
            "/redfish/v1/AccountService": {"GET": ("Login", self._account_service)},
            ACCOUNTS: {"GET": ("Login", self._accounts), "POST": ("ConfigureUsers", self._create)},
            f"{ACCOUNTS}/([^/]+)": {
                "GET": ("Login", self._account),
                "PATCH": ("ConfigureSelf", self._change),
                "DELETE": ("ConfigureUsers", self._delete),
            },
            ROLES: {"GET": ("Login", self._roles)},
            f"{ROLES}/([^/]+)": {"GET": ("Login", self._role)},
            "/redfish/v1/SessionService": {"GET": ("Login", self._session_service)},
            SESSIONS: {"GET": ("Login", self._sessions)},
            f"{SESSIONS}/([^/]+)": {
                "GET": ("Login", self._session),
                "DELETE": ("ConfigureSelf", self._end_session),
            },
        }

    def log_in(self, body: Any) -> Answer:
        """Start a session: the one request that needs no privilege."""
        if not isinstance(body, dict):
            raise Refusal(400, "MalformedJSON", "The body is not a JSON object.")
        for name in ("UserName", "Password"):
            if not isinstance(body.get(name), str):
                raise missing_property(name)
        account = self.card.log_in(body["UserName"], body["Password"])
        if account is None:
            raise unauthorized()
        session = self.card.open_session(account.name)
        path = f"{SESSIONS}/{session.id}"
        return Answer(
            status=201,
            body=_session_body(session.id, session.username),
            headers={"X-Auth-Token": session.token, "Location": path},
        )

    def _account_service(self, request: Request, match: re.Match[str]) -> Answer:
        return found(
            request.path,
            "AccountService.v1_10_0.AccountService",
            ServiceEnabled=True,
            MinPasswordLength=13,
            MaxPasswordLength=20,
            AccountLockoutThreshold=LOCKOUT_AFTER,
            AccountLockoutDuration=LOCKOUT_S,
            Accounts={"@odata.id": ACCOUNTS},
            Roles={"@odata.id": ROLES},
        )

    def _accounts(self, request: Request, match: re.Match[str]) -> Answer:
        seen = [name for name in self.card.accounts if _may_see(request, name)]
        return members(request.path, "ManagerAccountCollection", [f"{ACCOUNTS}/{name}" for name in seen])

    def _account(self, request: Request, match: re.Match[str]) -> Answer:
        account = self._find(match[1], request.path)
        if not _may_see(request, account.name):
            raise no_privilege()
        return found(
            request.path,
            "ManagerAccount.v1_7_0.ManagerAccount",
            UserName=account.name,
            RoleId=account.role,
            Enabled=account.enabled,
            Locked=account.locked,
            Password=None,
            PasswordChangeRequired=False,
        )

    def _create(self, request: Request, match: re.Match[str]) -> Answer:
        body = request.body
        for name in body:
            if name not in ("UserName", "Password", "RoleId", "Enabled"):
                raise unknown_property(name)
        for name in ("UserName", "Password", "RoleId"):
            if name not in body:
                raise missing_property(name)
        name = body["UserName"]
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise bad_value("UserName", name)
        if name in self.card.accounts:
            raise Refusal(409, "ResourceAlreadyExists", f"There is an account “{name}” already.")
        if len(self.card.accounts) >= MOST_ACCOUNTS:
            raise Refusal(400, "CreateLimitReachedForResource", "There is no room for another account.")
        if body["RoleId"] not in PRIVILEGES:
            raise bad_value("RoleId", body["RoleId"])
        check_password(body["Password"], name)
        enabled = body.get("Enabled", True)
        if not isinstance(enabled, bool):
            raise bad_value("Enabled", enabled)
        self.card.set_account(name, body["Password"], role=body["RoleId"], enabled=enabled)
        return Answer(status=201, headers={"Location": f"{ACCOUNTS}/{name}"})

    def _change(self, request: Request, match: re.Match[str]) -> Answer:
        account = self._find(match[1], request.path)
        body = request.body
        if "ConfigureUsers" not in request.privileges and (
            account.name != request.username or set(body) - {"Password"}
        ):
            raise no_privilege()
        for name in body:
            if name not in ("Password", "RoleId", "Enabled", "Locked"):
                raise unknown_property(name)
        if body.get("RoleId", account.role) not in PRIVILEGES:
            raise bad_value("RoleId", body["RoleId"])
        for name in ("Enabled", "Locked"):
            if not isinstance(body.get(name, False), bool):
                raise bad_value(name, body[name])
        if "Password" in body:
            check_password(body["Password"], account.name)
            account = self.card.set_account(
                account.name, body["Password"], role=account.role, enabled=account.enabled
            )
        account.role = body.get("RoleId", account.role)
        account.enabled = body.get("Enabled", account.enabled)
        if body.get("Locked") is False:
            account.failures, account.locked_until = 0, 0.0
        if not account.enabled:
            self.card.end_sessions(account.name)
        return success()

    def _delete(self, request: Request, match: re.Match[str]) -> Answer:
        account = self._find(match[1], request.path)
        if account.name == "root":
            raise Refusal(403, "ResourceCannotBeDeleted", "The account “root” cannot be deleted.")
        del self.card.accounts[account.name]
        self.card.end_sessions(account.name)
        return Answer(status=200, body={"@Message.ExtendedInfo": []})

    def _roles(self, request: Request, match: re.Match[str]) -> Answer:
        return members(request.path, "RoleCollection", [f"{ROLES}/{name}" for name in PRIVILEGES])

    def _role(self, request: Request, match: re.Match[str]) -> Answer:
        if match[1] not in PRIVILEGES:
            raise not_found(request.path)
        return found(
            request.path,
            "Role.v1_3_1.Role",
            RoleId=match[1],
            IsPredefined=True,
            AssignedPrivileges=sorted(PRIVILEGES[match[1]]),
        )

    def _session_service(self, request: Request, match: re.Match[str]) -> Answer:
        return found(
            request.path,
            "SessionService.v1_1_8.SessionService",
            ServiceEnabled=True,
            SessionTimeout=1800,
            Sessions={"@odata.id": SESSIONS},
        )

    def _sessions(self, request: Request, match: re.Match[str]) -> Answer:
        seen = [s.id for s in self.card.sessions.values() if _may_end(request, s.username)]
        return members(request.path, "SessionCollection", [f"{SESSIONS}/{name}" for name in seen])

    def _session(self, request: Request, match: re.Match[str]) -> Answer:
        session = self.card.sessions.get(match[1])
        if session is None:
            raise not_found(request.path)
        if not _may_end(request, session.username):
            raise no_privilege()
        return Answer(status=200, body=_session_body(session.id, session.username))

    def _end_session(self, request: Request, match: re.Match[str]) -> Answer:
        self._session(request, match)
        del self.card.sessions[match[1]]
        return success()

    def _find(self, name: str, path: str) -> Account:
        if name not in self.card.accounts:
            raise not_found(path)
        return self.card.accounts[name]


def check_password(password: object, name: str) -> None:
    """Refuse a password that breaks the BMC's policy."""
    if not isinstance(password, str) or not 13 <= len(password) <= 20:
        raise _bad_password("It must have 13 to 20 characters.")
    neighbours = sum(abs(ord(one) - ord(other)) == 1 for one, other in itertools.pairwise(password))
    if neighbours > 4:
        raise _bad_password("It has more than 4 pairs of consecutive characters.")
    kinds = (str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum())
    if not all(any(is_kind(c) for c in password) for is_kind in kinds):
        raise _bad_password("It needs lower case, upper case, a digit and a special character.")
    if name.lower() in password.lower():
        raise _bad_password("It contains the user name.")


def _bad_password(why: str) -> Refusal:
    return Refusal(400, "PropertyValueFormatError", f"The password is not acceptable. {why}")


def _may_see(request: Request, name: str) -> bool:
    return name == request.username or "ConfigureUsers" in request.privileges


def _may_end(request: Request, name: str) -> bool:
    return name == request.username or "ConfigureManager" in request.privileges


def _session_body(session_id: str, username: str) -> Body:
    return {
        "@odata.id": f"{SESSIONS}/{session_id}",
        "@odata.type": "#Session.v1_7_0.Session",
        "Id": session_id,
        "Name": "User Session",
        "UserName": username,
    }
