"""An occurrence of a series as the API shows it before it is booked. Knows no views: refusals need it too."""

from collections.abc import Sequence
from typing import Any

from reservations.services.occurrences import Planned


def planned_shown(each: Planned) -> dict[str, Any]:
    """Return an occurrence as the API shows it before it is booked."""
    return {
        "on": each.on,
        "starts_at": each.window.starts_at,
        "ends_at": each.window.ends_at,
        "outlook": each.outlook.value,
        "moved": each.moved,
        "note": each.note,
        "devices": _devices(each.devices),
        "usual": each.is_usual,
        "refusals": [
            {
                "wish": one.wish,
                "resource": one.resource,
                "resource_name": one.resource_name,
                "reason": one.reason,
                "never": one.never,
                "until": one.until,
                "message": one.message,
            }
            for one in each.refusals
        ],
        "alternatives": [
            {"starts_at": one.starts_at, "ends_at": one.ends_at, "resources": list(one.resources)}
            for one in each.alternatives
        ],
        "others": _devices(each.others),
    }


def _devices(devices: Sequence[tuple[int, Any]]) -> list[dict[str, Any]]:
    return [{"line": place, "resource": one.pk, "resource_name": str(one)} for place, one in devices]
