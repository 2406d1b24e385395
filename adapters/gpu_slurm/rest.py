"""The way to Slurm by slurmrestd, with a token."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, cast

import requests

from adapters.contract import Secrets
from adapters.errors import DeviceUnreachable, InvalidSettings, OutcomeUnknown
from adapters.gpu_slurm.nouns import Job, Licence, Node, Reservation, Wish, expand
from adapters.gpu_slurm.refusals import error_for
from adapters.gpu_slurm.settings import SlurmSettings

_OVER = {
    "COMPLETED",
    "CANCELLED",
    "FAILED",
    "TIMEOUT",
    "NODE_FAIL",
    "PREEMPTED",
    "BOOT_FAIL",
    "DEADLINE",
    "OUT_OF_MEMORY",
}
_FLAGS = {"STATIC_ALLOC": "STATIC"}


class SlurmRest:
    """slurmrestd at a pinned version of its interface; `http+json`, a call at a time."""

    def __init__(self, *, settings: SlurmSettings, secrets: Secrets) -> None:
        self._settings = settings
        self._secrets = secrets
        self._base = f"{settings.rest_url.rstrip('/')}/slurm/{settings.api_version}"
        self.path = f"slurmrestd {settings.api_version}"

    def __enter__(self) -> Self:
        self._session = requests.Session()
        # The environment's bundles of certificates would take the place of the one that was chosen.
        self._session.trust_env = False
        if self._settings.certificate_secret:
            self._session.verify = self._secrets.path(self._settings.certificate_secret)
        # Read afresh each time, since tokens are short-lived and renewed behind our back.
        self._token = self._secrets.read(self._settings.token_secret or "").strip()
        self._session.headers.update(
            {"X-SLURM-USER-NAME": self._settings.rest_user, "X-SLURM-USER-TOKEN": self._token}
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    # --- looking ----------------------------------------------------------------------------------

    def version(self) -> str:
        """Return the version of the slurmrestd that answers."""
        said = self._ask("reservations")
        meta = _map(said.get("meta"))
        return str(_map(meta.get("slurm") or meta.get("Slurm")).get("release", ""))

    @property
    def token_ends_at(self) -> datetime | None:
        """When the token will no longer be taken; None where it does not say."""
        try:
            payload = self._token.split(".")[1]
            said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return datetime.fromtimestamp(int(said["exp"]), tz=UTC)
        except (ValueError, KeyError, IndexError, TypeError, OverflowError):
            return None

    def reservations(self) -> tuple[Reservation, ...]:
        """Return all reservations."""
        return tuple(
            Reservation(
                name=str(entry["name"]),
                starts_at=_moment(entry.get("start_time")),
                ends_at=_moment(entry.get("end_time")),
                nodes=expand(str(entry.get("node_list") or "")),
                core_count=_number(entry.get("core_count")),
                users=_names(entry.get("users")),
                accounts=_names(entry.get("accounts")),
                licences=",".join(_names(entry.get("licenses"))),
                flags=_names(entry.get("flags")),
                comment=str(entry.get("comment") or ""),
            )
            for entry in self._list("reservations")
        )

    def nodes(self) -> tuple[Node, ...]:
        """Return all nodes."""
        return tuple(
            Node(
                name=str(entry["name"]),
                states=frozenset(
                    state.upper() for state in (*_names(entry.get("state")), *_names(entry.get("state_flags")))
                ),
                cpus=_number(entry.get("cpus")),
                cpus_used=_number(entry.get("alloc_cpus")),
                gres=str(entry.get("gres") or ""),
                gres_used=str(entry.get("gres_used") or ""),
                reason=str(entry.get("reason") or ""),
                memory_mib=_number(entry.get("real_memory")),
                partitions=_names(entry.get("partitions")),
            )
            for entry in self._list("nodes")
        )

    def jobs(self) -> tuple[Job, ...]:
        """Return all jobs that are not over."""
        found = []
        for entry in self._list("jobs"):
            states = {state.upper() for state in _names(entry.get("job_state"))}
            if states & _OVER and "COMPLETING" not in states:
                continue
            found.append(
                Job(
                    id=str(_number(entry.get("job_id"))),
                    user=str(entry.get("user_name") or entry.get("user_id") or ""),
                    account=str(entry.get("account") or ""),
                    state="COMPLETING" if "COMPLETING" in states else "+".join(sorted(states)),
                    reservation=str(entry.get("resv_name") or ""),
                    nodes=expand(str(entry.get("nodes") or "")),
                    reason=str(entry.get("state_reason") or ""),
                )
            )
        return tuple(found)

    def licences(self) -> tuple[Licence, ...]:
        """Return all licences."""
        return tuple(
            Licence(
                name=str(entry["LicenseName"]),
                total=_number(entry.get("Total")),
                used=_number(entry.get("Used")),
                reserved=_number(entry.get("Reserved")),
            )
            for entry in self._list("licenses")
        )

    # --- changing ---------------------------------------------------------------------------------

    def create(self, wish: Wish, *, plain_name: str) -> None:
        """Make the reservation. One of that name would be changed instead: look before."""
        body: dict[str, Any] = {
            "name": wish.name,
            "start_time": _set((wish.starts_at or datetime.now(UTC)).timestamp()),
            "end_time": _set(wish.ends_at.timestamp()),
            "users": [wish.users],
            "flags": [_FLAGS.get(wish.flag, wish.flag)],
            "comment": wish.comment,
        }
        if wish.nodes:
            body["node_list"] = list(wish.nodes)
        if wish.cores:
            body["core_count"] = _set(wish.cores)
        if wish.licence:
            body["licenses"] = [wish.licence]
        if wish.gres:
            kind, _, count = wish.gres.rpartition(":")
            body["tres"] = [{"type": "gres", "name": kind, "count": int(count)}]
        if wish.partition:
            body["partition"] = wish.partition
        self._post(body, f"make the reservation {wish.name}")

    def set_end(self, name: str, ends_at: datetime) -> None:
        """Move the end of a reservation."""
        self._post({"name": name, "end_time": _set(ends_at.timestamp())}, f"move the end of {name}")

    def set_comment(self, name: str, comment: str) -> None:
        """Write another comment."""
        self._post({"name": name, "comment": comment}, f"mark {name}")

    def admit(self, name: str, *, user: str, account: str) -> None:
        """Let this user and this account in, and nobody else."""
        who = {"users": [user] if user else [], "accounts": [account] if account else []}
        self._post({"name": name, **who}, f"say who may use {name}")

    def delete(self, name: str) -> None:
        """Delete a reservation."""
        self._call("DELETE", f"reservation/{name}", f"delete {name}")

    def cancel(self, jobs: tuple[Job, ...]) -> None:
        """End the jobs: first kill what runs, for jobs that ignore a polite request, then cancel."""
        for job in jobs:
            place = f"job/{job.id}"
            if job.state not in ("PENDING", "COMPLETING"):
                self._call("DELETE", f"{place}?signal=KILL&flags=FULL_JOB", "kill jobs", may_be_gone=True)
            self._call("DELETE", place, "cancel jobs", may_be_gone=True)

    # --- underneath -------------------------------------------------------------------------------

    def _list(self, what: str) -> list[dict[str, Any]]:
        return [_map(entry) for entry in self._ask(what).get(what) or []]

    def _ask(self, what: str) -> dict[str, Any]:
        return self._call("GET", what, f"show its {what}")

    def _post(self, body: Mapping[str, Any], what: str) -> None:
        self._call("POST", "reservation", what, body=body)

    def _call(
        self,
        method: str,
        place: str,
        what: str,
        *,
        body: Mapping[str, Any] | None = None,
        may_be_gone: bool = False,
    ) -> dict[str, Any]:
        changes = method != "GET"
        patience = self._settings.timeout_s
        try:
            answer = self._session.request(
                method, f"{self._base}/{place}", json=body, timeout=(patience, patience), allow_redirects=False
            )
        except (requests.ConnectTimeout, requests.exceptions.SSLError) as error:
            raise DeviceUnreachable(f"slurmrestd cannot be reached to {what}: {error}") from error
        except (requests.RequestException, ValueError) as error:
            if changes and "NewConnectionError" not in repr(error):
                raise OutcomeUnknown(
                    f"slurmrestd did not answer to {what}: {error}. The change may have been made."
                ) from error
            raise DeviceUnreachable(f"slurmrestd did not answer to {what}: {error}") from error
        said = _json(answer)
        words = "; ".join(_words(entry) for entry in _maps(said.get("errors")))
        if answer.status_code == 200 and not words:
            return said
        if may_be_gone and any(piece in words.lower() for piece in ("invalid job id", "already complet")):
            return said
        raise self._error(answer, words, changes=changes, what=what)

    def _error(self, answer: Any, words: str, *, changes: bool, what: str) -> Exception:
        code = answer.status_code
        low = words.lower()
        if code in (401, 403) or "unspecified error" in low or "authentication" in low or "jwt" in low:
            return InvalidSettings(
                f"slurmrestd does not take the token to {what} (HTTP {code}). Renew it: "
                f"scontrol token username={self._settings.rest_user} lifespan=…"
            )
        if not words and code in (404, 405):
            return InvalidSettings(
                f"slurmrestd has no way to {what} in {self._settings.api_version} (HTTP {code}). Pin another "
                "version, or let changes be made by commands."
            )
        if not words and code >= 500 and changes:
            return OutcomeUnknown(f"slurmrestd failed to {what} (HTTP {code}). The change may have been made.")
        if not words and code >= 500:
            return DeviceUnreachable(f"slurmrestd failed to {what} (HTTP {code}).")
        return error_for(words or f"HTTP {code}", changes=changes, what=what)


def expires_soon(ends_at: datetime | None, *, within: timedelta = timedelta(days=1)) -> bool:
    """Say whether a token that ends then has to be renewed now."""
    return ends_at is not None and ends_at - datetime.now(UTC) < within


def _json(answer: Any) -> dict[str, Any]:
    try:
        return _map(answer.json())
    except ValueError:
        return {}


def _map(value: object) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def _maps(value: object) -> list[dict[str, Any]]:
    return [_map(entry) for entry in value] if isinstance(value, Sequence) else []


def _words(entry: Mapping[str, Any]) -> str:
    said = [str(entry[key]) for key in ("error", "description") if entry.get(key)]
    return ": ".join(said) or "an error without words"


def _number(value: object) -> int:
    """Return a number however this version writes it: plain, as text, or as an object that says if it is set."""
    if isinstance(value, dict):
        value = value.get("number", 0) if value.get("set", True) else 0
    try:
        return int(cast(Any, value or 0))
    except (TypeError, ValueError):
        return 0


def _moment(value: object) -> datetime:
    return datetime.fromtimestamp(_number(value), tz=UTC)


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(name for name in value.split(",") if name)
    return tuple(str(name) for name in value) if isinstance(value, list) else ()


def _set(number: float) -> dict[str, object]:
    return {"set": True, "infinite": False, "number": int(number)}
