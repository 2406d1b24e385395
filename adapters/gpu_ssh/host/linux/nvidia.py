"""What `nvidia-smi` says of the cards."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.linux_host.host.commands import run
from adapters.linux_host.host.problems import Unknown

from ..configuration import normal_pci
from ..system import Card

_FIELDS = (
    "pci.bus_id",
    "uuid",
    "serial",
    "name",
    "memory.total",
    "memory.used",
    "utilization.gpu",
    "temperature.gpu",
    "power.draw",
    "ecc.errors.uncorrected.volatile.total",
)
_NUMBERS = {
    "memory.used": "memory_used_mib",
    "memory.total": "memory_total_mib",
    "utilization.gpu": "utilisation_percent",
    "temperature.gpu": "temperature_celsius",
    "power.draw": "power_w",
}


def read_cards(tool: str) -> tuple[Card, ...]:
    """Return the cards that the tool lists; raise `Unknown` when it lists none."""
    # With one card lost, the tool complains, fails, and still lists the others.
    text = run([tool, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"], may_fail=True)
    rows = list(_rows(text))
    if not rows:
        raise Unknown(f"“{tool}” lists no card: {text.strip()[:200] or 'it says nothing'}.")
    processes = _processes(tool)
    return tuple(_card(row, processes.get(row["uuid"], ())) for row in rows)


def _rows(text: str) -> Iterator[dict[str, str]]:
    for line in text.splitlines():
        values = [value.strip() for value in line.split(",")]
        if len(values) == len(_FIELDS):
            row = dict(zip(_FIELDS, values))
            try:
                row["pci.bus_id"] = normal_pci(row["pci.bus_id"])
            except ValueError:
                continue
            yield row


def _card(row: dict[str, str], processes: tuple[int, ...]) -> Card:
    measurements = {
        name: number for field, name in _NUMBERS.items() if (number := _number(row[field])) is not None
    }
    measurements["processes"] = float(len(processes))
    errors = _number(row["ecc.errors.uncorrected.volatile.total"])
    return Card(
        pci=row["pci.bus_id"],
        model=row["name"],
        uuid=row["uuid"],
        serial=row["serial"] if row["serial"].isalnum() else "",
        memory_mib=int(measurements.get("memory_total_mib", 0)),
        measurements=measurements,
        processes=processes,
        unfit=f"{errors:.0f} memory errors that could not be corrected since the driver was loaded"
        if errors
        else "",
    )


def _processes(tool: str) -> dict[str, tuple[int, ...]]:
    text = run([tool, "--query-compute-apps=gpu_uuid,pid", "--format=csv,noheader"], may_fail=True)
    found: dict[str, tuple[int, ...]] = {}
    for line in text.splitlines():
        uuid, _, pid = (part.strip() for part in line.partition(","))
        if uuid.startswith(("GPU-", "MIG-")) and pid.isdecimal():
            found[uuid] = (*found.get(uuid, ()), int(pid))
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
