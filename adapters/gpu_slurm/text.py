"""Reads what scontrol and squeue print."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from adapters.gpu_slurm.nouns import Job, Licence, Node, Reservation, expand

JOB_FORMAT = "%A|%u|%a|%T|%v|%N|%r"
_KEY = re.compile(r"(?:^| )([A-Z][A-Za-z]*(?:/[A-Za-z]+)?)=")
_NOTHING = ("(null)", "N/A", "n/a", "None", "none")


def records(text: str, first_key: str) -> Iterator[dict[str, str]]:
    """Yield each line of `scontrol -o show` as its keys and values; the first of equal keys counts.

    Free text (a reason, a comment) stands at the end of a line, so nothing it says can replace a field.
    """
    for line in text.splitlines():
        if not line.startswith(f"{first_key}="):
            continue
        found = list(_KEY.finditer(line))
        fields: dict[str, str] = {}
        for here, after in zip(found, [*found[1:], None], strict=True):
            fields.setdefault(here[1], line[here.end() : after.start() if after else len(line)].strip())
        # Whatever looks like a field inside a comment belongs to the comment.
        for free in ("Comment", "Reason"):
            if free in fields:
                fields[free] = line[line.index(f" {free}=") + len(free) + 2 :].strip()
        yield fields


def reservations(text: str) -> tuple[Reservation, ...]:
    """Return the reservations of `scontrol -o show reservation`, printed in UTC."""
    return tuple(
        Reservation(
            name=fields["ReservationName"],
            starts_at=moment(fields["StartTime"]),
            ends_at=moment(fields["EndTime"]),
            nodes=expand(fields.get("Nodes", "")),
            core_count=_number(fields.get("CoreCnt", "")),
            users=_names(fields.get("Users", "")),
            accounts=_names(fields.get("Accounts", "")),
            licences=_text(fields.get("Licenses", "")),
            flags=_names(fields.get("Flags", "")),
            comment=_text(fields.get("Comment", "")),
        )
        for fields in records(text, "ReservationName")
    )


def nodes(text: str) -> tuple[Node, ...]:
    """Return the nodes of `scontrol -d -o show node`."""
    return tuple(
        Node(
            name=fields["NodeName"],
            states=states_of(fields.get("State", "")),
            cpus=_number(fields.get("CPUTot", "")),
            cpus_used=_number(fields.get("CPUAlloc", "")),
            gres=_text(fields.get("Gres", "")),
            gres_used=_text(fields.get("GresUsed", "")),
            reason=_text(fields.get("Reason", "")),
            memory_mib=_number(fields.get("RealMemory", "")),
            partitions=_names(fields.get("Partitions", "")),
        )
        for fields in records(text, "NodeName")
    )


def states_of(text: str) -> frozenset[str]:
    """Return the states in text such as `IDLE+DRAIN` or `DOWN*`."""
    states = {word.rstrip("*~#!%$@^-") for word in text.upper().split("+")}
    if "*" in text:
        states.add("NOT_RESPONDING")
    return frozenset(states - {""})


def jobs(text: str) -> tuple[Job, ...]:
    """Return the jobs of `squeue -h -o` with our format."""
    found = []
    for line in text.splitlines():
        columns = line.split("|", 6)
        if len(columns) == 7:
            number, user, account, state, reservation, places, reason = (column.strip() for column in columns)
            found.append(
                Job(
                    id=number,
                    user=user,
                    account=_text(account),
                    state=state,
                    reservation=_text(reservation),
                    nodes=expand(places),
                    reason=_text(reason),
                )
            )
    return tuple(found)


def licences(text: str) -> tuple[Licence, ...]:
    """Return the licences of `scontrol -o show lic`."""
    return tuple(
        Licence(
            name=fields["LicenseName"],
            total=_number(fields.get("Total", "")),
            used=_number(fields.get("Used", "")),
            reserved=_number(fields.get("Reserved", "")),
        )
        for fields in records(text, "LicenseName")
    )


def moment(text: str) -> datetime:
    """Return the moment that was printed in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in _text(text).split(",") if name)


def _text(text: str) -> str:
    return "" if text in _NOTHING else text


def _number(text: str) -> int:
    digits = re.match(r"\d+", text)
    return int(digits[0]) if digits else 0
