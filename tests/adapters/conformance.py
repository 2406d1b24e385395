"""The tests that every adapter inherits: each promise of `adapters.contract.adapter`, tried on a device.

A subclass names its adapter and brings the device:

    class TestMyNic(AdapterConformance):
        @pytest.fixture
        def adapter(self, secrets): return MyNicAdapter(secrets=secrets)

        @pytest.fixture
        def target(self, emulator): return Target(...)          # short timeouts: about a second

        @pytest.fixture
        def device(self, emulator): return MyProbe(emulator)    # see `promises/device.py`

and, where the adapter needs them, the fixtures `parameters`, `artefacts` and `holder`. On real
hardware the device has no `break_with`: the tests of faults are then skipped, all others run.
"""

import itertools
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from adapters.contract import Adapter, Artefact, Holder, LeaseOrder, Target
from adapters.errors import AdapterError
from tests.adapters.promises.closing import ClosingPromises
from tests.adapters.promises.description import VENDOR_LIBRARIES, DescriptionPromises
from tests.adapters.promises.device import Device, Fault, Session
from tests.adapters.promises.faults import FaultPromises
from tests.adapters.promises.opening import OpeningPromises

__all__ = ["VENDOR_LIBRARIES", "AdapterConformance", "Device", "Fault", "MakeOrder", "Session"]

MakeOrder = Callable[..., LeaseOrder]


class AdapterConformance(OpeningPromises, ClosingPromises, FaultPromises, DescriptionPromises):
    """Inherit from this, bring `adapter`, `target` and `device`."""

    # --- what a subclass may override -----------------------------------------------------------

    @pytest.fixture
    def parameters(self) -> Mapping[str, object]:
        return {}

    @pytest.fixture
    def artefacts(self) -> tuple[Artefact, ...]:
        return ()

    @pytest.fixture
    def holder(self) -> Holder:
        return Holder(username="researcher@uni-a.example", project="testbed")

    @pytest.fixture
    def make_order(
        self,
        target: Target,
        holder: Holder,
        parameters: Mapping[str, object],
        artefacts: tuple[Artefact, ...],
    ) -> MakeOrder:
        # Epochs never go back, also not on a real device that remembers the last run.
        epochs = itertools.count(time.time_ns() // 1_000_000)

        def order(
            *,
            lease_id: str | None = None,
            epoch: int | None = None,
            revision: int = 1,
            ends_at: datetime | None = None,
        ) -> LeaseOrder:
            now = datetime.now(UTC).replace(microsecond=0)
            return LeaseOrder(
                lease_id=lease_id or str(uuid.uuid4()),
                epoch=next(epochs) if epoch is None else epoch,
                revision=revision,
                target=target,
                covers=(target.resource_id,),
                holder=holder,
                starts_at=now,
                ends_at=ends_at or now + timedelta(hours=1),
                parameters=parameters,
                artefacts=artefacts,
            )

        return order

    # --- what the suite makes of it -------------------------------------------------------------

    @pytest.fixture
    def orders(self, adapter: Adapter, device: Device, make_order: MakeOrder) -> Iterator[MakeOrder]:
        """Make orders, and leave the device without any of them."""
        made: list[LeaseOrder] = []

        def make(**wishes: object) -> LeaseOrder:
            made.append(make_order(**wishes))
            return made[-1]

        yield make
        if hasattr(device, "mend"):
            device.mend()
        for order in reversed(made):
            with suppress(AdapterError):
                adapter.release(order)

    @pytest.fixture
    def order(self, orders: MakeOrder) -> LeaseOrder:
        return orders()

    @pytest.fixture
    def broken(self, device: Device) -> Callable[[Fault], None]:
        if not hasattr(device, "break_with"):
            pytest.skip("a real device cannot be broken on purpose")
        return device.break_with
