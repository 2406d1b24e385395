"""Firmware that outlives a lease: recorded at its start, compared at its end.

Nothing is kept here, and a holder can write the asset tag. So the record is the name of a closed
account at the BMC, which nobody can enter and only an administrator can make or remove.
"""

from adapters.contract import Check
from adapters.smart_nic_bluefield.client import Bmc
from adapters.smart_nic_bluefield.lease import LeaseNames
from adapters.smart_nic_bluefield.paths import ACCOUNTS, INVENTORY

COMPONENTS = {"BMC": "BMC_Firmware", "NIC": "DPU_NIC", "BSP": "DPU_BSP"}
"""What is recorded, and what the BMC calls it."""


def versions_of(bmc: Bmc) -> dict[str, str]:
    """Return the versions; empty text for what the BMC does not show."""
    found = {part: bmc.find(f"{INVENTORY}/{name}") for part, name in COMPONENTS.items()}
    return {part: "" if seen is None else str(seen.body.get("Version") or "") for part, seen in found.items()}


def record_of(accounts: set[str], names: LeaseNames, lease_id: str) -> str | None:
    """Return the record of a lease among the names of accounts."""
    prefix = names.record_prefix(lease_id)
    return next((name for name in sorted(accounts) if name.startswith(prefix)), None)


def keep_record(bmc: Bmc, names: LeaseNames, lease_id: str, *, stale: set[str]) -> None:
    """Write down the versions of now, and remove what earlier leases left behind."""
    for name in stale:
        bmc.delete(f"{ACCOUNTS}/{name}")
    name = names.record(lease_id, versions_of(bmc))
    bmc.post(
        ACCOUNTS,
        {
            "UserName": name,
            "Password": names.record_password(lease_id),
            "RoleId": "ReadOnly",
            "Enabled": False,
        },
    )


def checks_of(
    bmc: Bmc, names: LeaseNames, lease_id: str, *, record: str | None, was_held: bool, imaged: bool
) -> list[Check]:
    """Compare the versions with those recorded at the start."""
    checks = []
    for part, version in versions_of(bmc).items():
        if not was_held:
            same, expected = True, "not recorded: the lease never had the card"
        elif part == "BSP" and imaged:
            same, expected = True, "what the image brings"
        elif record is None:
            same, expected = False, "as recorded at the start, and the record is missing"
        else:
            same = names.is_recorded(record, lease_id, part, version)
            expected = "the same as at the start"
        shown = version or "not shown by the BMC"
        checks.append(
            Check(
                name=f"Firmware ({part})",
                expected=expected,
                found=shown if same else f"{shown}, which is not what it was",
                passed=same,
                method=f"GET {INVENTORY}/{COMPONENTS[part]} in a session of its own, opened after the cleaning",
            )
        )
    return checks
