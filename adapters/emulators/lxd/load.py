"""The load that an emulated instance seems to have: a job that comes and goes, the same for all who ask."""

import hashlib
import math
from datetime import UTC, datetime
from typing import Any

from adapters.emulators.lxd.nouns import Instance

_IDLE = {"cpu": {"usage": 0}, "memory": {"usage": 0, "usage_peak": 0}, "processes": 0}


def load_of(instance: Instance, *, now: datetime | None = None) -> dict[str, Any]:
    """Return processor time, memory and processes as `/1.0/instances/<name>/state` has them."""
    if not instance.running:
        return _IDLE
    age_s = max(0.0, ((now or datetime.now(UTC)) - datetime.fromisoformat(instance.created_at)).total_seconds())
    seed = hashlib.sha256(instance.name.encode()).digest()
    cores, period_s = 2 + seed[0] % 6, 600 + 3 * seed[1]
    wave = 2 * math.pi / period_s
    # The integral of cores · (1 - cos wt) / 2: processor time never falls.
    used_s = cores / 2 * (age_s - math.sin(wave * age_s) / wave)
    share = (1 - math.cos(wave * age_s)) / 2
    memory = int((0.4 + (1 + seed[2] % 8) * (1 - math.exp(-age_s / 90)) * (0.6 + 0.4 * share)) * 2**30)
    return {
        "cpu": {"usage": int(used_s * 1e9)},
        "memory": {"usage": memory, "usage_peak": memory},
        "processes": 21 + round(2 * cores * share),
    }
