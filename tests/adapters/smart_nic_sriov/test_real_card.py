"""The promises of the contract, on a kernel with virtual functions.

`SHARY_TEST_SRIOV` holds the settings of a function as JSON; it must carry no lease, and the tests lease it
many times. What a holder can do is read off the kernel by pyroute2, since nobody listens behind the card.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from adapters.contract import Access, LeaseOrder, Target
from tests.adapters.conformance import AdapterConformance

GIVEN = os.environ.get("SHARY_TEST_SRIOV")
if GIVEN is None:
    pytest.skip("SHARY_TEST_SRIOV gives no settings of a real function", allow_module_level=True)

from pyroute2 import IPRoute  # noqa: E402


class KernelProbe:
    """A card as the kernel shows it to another program."""

    def __init__(self, settings: dict[str, object]) -> None:
        self.settings = settings

    def can_enter(self, access: Access, order: LeaseOrder) -> bool:
        functions = json.loads(access.files[0].content)["functions"]
        seen = self._functions()
        return all(self._is_open(seen[int(function["function"][2:])], function) for function in functions)

    @contextmanager
    def hold_session(self, access: Access, order: LeaseOrder) -> Iterator["KernelSession"]:
        yield KernelSession(self, access, order)

    def residue(self, order: LeaseOrder) -> list[str]:
        with IPRoute() as kernel:
            card = kernel.get_links(ifname=self.settings["card"])[0]
        names = card.get_attr("IFLA_PROP_LIST")
        marks = [name for name in names.altnames() if order.lease_id in name] if names else []
        if marks or (names and any(name.startswith("shary.") for name in names.altnames())):
            return marks
        mine = self.settings.get("vf")
        seen = self._functions()
        return [
            f"function {vf} is open with {info['mac']}"
            for vf, info in seen.items()
            if mine in (None, vf) and info["link_state"] != 2 and info["mac"].startswith("02:")
        ]

    def _functions(self) -> dict[int, dict[str, object]]:
        with IPRoute() as kernel:
            card = kernel.link("get", ifname=self.settings["card"], ext_mask=1)[0]
        found = {}
        for info in card.get_attr("IFLA_VFINFO_LIST").get_attrs("IFLA_VF_INFO"):
            found[info.get_attr("IFLA_VF_MAC")["vf"]] = {
                "mac": info.get_attr("IFLA_VF_MAC")["mac"],
                "vlan": info.get_attr("IFLA_VF_VLAN")["vlan"],
                "link_state": info.get_attr("IFLA_VF_LINK_STATE")["link_state"],
            }
        return found

    @staticmethod
    def _is_open(seen: dict[str, object], function: dict[str, object]) -> bool:
        return seen["link_state"] != 2 and all(seen[name] == function[name] for name in ("mac", "vlan"))


class KernelSession:
    """A holder who is in as long as the function is as their lease has it."""

    def __init__(self, probe: KernelProbe, access: Access, order: LeaseOrder) -> None:
        self.alive = lambda: probe.can_enter(access, order)


class TestOnARealKernel(AdapterConformance):
    @pytest.fixture
    def target(self) -> Target:
        settings = json.loads(str(GIVEN))
        return Target(
            resource_id="real",
            name="the real function",
            kind="smart_nic" if settings.get("vf") is None else "smart_nic_vf",
            adapter="smart_nic_sriov",
            settings=settings,
        )

    @pytest.fixture
    def device(self, target) -> KernelProbe:
        return KernelProbe(dict(target.settings))
