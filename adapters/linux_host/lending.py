"""What the adapters that lend a Linux host by ssh have in common."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

from pydantic import TypeAdapter

from adapters.contract import Check, CleanProof, Endpoint
from adapters.errors import DeviceRefused


class Door(Protocol):
    """Where holders log in: what the settings of such adapters have in common."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def login_host(self) -> str | None: ...
    @property
    def login_port(self) -> int | None: ...


def shell(door: Door, account: str, *, label: str) -> Endpoint:
    """Return how an account logs in; the site may have another address for holders than for its worker."""
    host, port = door.login_host or door.host, door.login_port or door.port
    return Endpoint(
        label=label,
        protocol="ssh",
        host=host,
        port=port,
        username=account,
        command=f"ssh {account}@{host}" if port == 22 else f"ssh -p {port} {account}@{host}",
    )


def key_line(line: str) -> str:
    """Return a holder's public key as the host's program takes it; raise `DeviceRefused` for more than one line."""
    if re.search(r"[\r\n]", line.strip()):
        raise DeviceRefused("An ssh key of the holder has more than one line.")
    # Beside the key itself only words that nobody can mistake for something else.
    return re.sub(r"[^ -~]", "?", line.strip())


def proof(answers: Iterable[Any], *, left: str | None, records: str, verifier: str) -> CleanProof:
    """Return the proof made of what the host's program checked, and of whether the lease has left a mark."""
    checks = tuple(TypeAdapter(Check).validate_python(entry) for entry in answers)
    marked = Check(
        name="mark of the lease",
        expected="absent",
        found=left or "absent",
        passed=left is None,
        method=f"records of the {records}, read in a process of their own",
    )
    return CleanProof(
        checks=(*checks, marked), verified_at=datetime.now(UTC).replace(microsecond=0), verifier=verifier
    )
