"""The tests that every adapter inherits: each promise of `adapters.contract.adapter`, tried on a device.

A subclass names its adapter and brings the device:

    class TestMyNic(AdapterConformance):
        @pytest.fixture
        def adapter(self, secrets): return MyNicAdapter(secrets=secrets)

        @pytest.fixture
        def target(self, emulator): return Target(...)          # short timeouts: about a second

        @pytest.fixture
        def device(self, emulator): return MyProbe(emulator)    # see `Device`

and, where the adapter needs them, the fixtures `parameters`, `artefacts` and `holder`. On real
hardware the device has no `break_with`: the tests of faults are then skipped, all others run.
"""

import itertools
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal, Protocol

import pytest

from adapters.contract import (
    Access,
    Adapter,
    Artefact,
    CleanProof,
    FoundDevice,
    Holder,
    LeaseOrder,
    Observation,
    Target,
)
from adapters.contract.wire import from_json, to_json
from adapters.errors import AdapterError, DeviceBusy, DeviceRefused, DeviceUnreachable, Remedy

Fault = Literal["unreachable", "hang", "late", "lie", "reboot"]
VERBS = ("observe", "provision", "admit", "isolate", "release", "discover")
VENDOR_LIBRARIES = ("pylxd", "grpc", "finsy", "sushy", "pynvml", "requests", "google.protobuf")

MakeOrder = Callable[..., LeaseOrder]


class Session(Protocol):
    """A way in that the holder keeps open."""

    def alive(self) -> bool:
        """Say whether the device still answers on this very connection or login."""
        ...


class Device(Protocol):
    """What the tests see of a device from outside, without the adapter."""

    def can_enter(self, access: Access, order: LeaseOrder) -> bool:
        """Try to get in over the wire, as the holder would, with what `access` says."""
        ...

    def hold_session(self, access: Access, order: LeaseOrder) -> AbstractContextManager[Session]:
        """Get in and stay in."""
        ...

    def residue(self, order: LeaseOrder) -> list[str]:
        """Return what of the lease is on the device, in words; empty when nothing is."""
        ...

    # Emulators have these three as well; real hardware leaves them out.
    #
    # def break_with(self, fault: Fault) -> None
    #     unreachable: nothing listens at the address
    #     hang:        connections are taken, nothing is ever answered
    #     late:        changes take effect, their answers do not come in time; reads are answered
    #     lie:         changes are acknowledged and not made; reads tell the truth
    #     reboot:      at once: what the real device forgets is forgotten, sessions are gone
    # def mend(self) -> None
    #     ends the fault; what took effect stays
    # def changes(self) -> int
    #     counts the changes that the device has made since it was started


class AdapterConformance:
    """Inherit from this, bring `adapter`, `target` and `device`."""

    patience_s: ClassVar[float] = 15.0
    """The longest any verb may take on a device that hangs, with the timeouts of `target`."""
    cut_within_s: ClassVar[float] = 5.0
    """How long after `isolate` an open session may still be seen."""

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

    # --- looking --------------------------------------------------------------------------------

    def test_an_idle_device_is_healthy_and_carries_nothing(self, adapter, target):
        found = adapter.observe(target)

        assert isinstance(found, Observation)
        assert found.healthy, found.detail
        assert found.carries is None

    def test_a_provisioned_device_carries_the_lease_and_its_epoch(self, adapter, target, order):
        adapter.provision(order)

        found = adapter.observe(target)

        assert (found.carries, found.epoch) == (order.lease_id, order.epoch)
        assert found.healthy, found.detail

    def test_looking_changes_nothing(self, adapter, target, device, order):
        adapter.provision(order)
        adapter.admit(order)
        before = _changes(device)
        access = adapter.provision(order)
        with device.hold_session(access, order) as session:
            residue = device.residue(order)

            first, second = adapter.observe(target), adapter.observe(target)
            adapter.discover(target)

            assert (first.carries, first.epoch) == (second.carries, second.epoch)
            assert device.residue(order) == residue
            assert session.alive()
        assert _changes(device) == before

    def test_discovered_devices_are_valid_records(self, adapter, target):
        found = adapter.discover(target)

        assert found
        for entry in _with_parts(found):
            assert entry.kind in adapter.description.kinds
            assert entry.model
            assert adapter.description.check_attributes(entry.attributes) == ()

    # --- getting ready --------------------------------------------------------------------------

    def test_provisioning_tells_the_holder_how_to_get_in(self, adapter, order):
        access = adapter.provision(order)

        assert isinstance(access, Access)
        assert access.instructions
        assert access.endpoints
        assert all(0 < endpoint.port < 65536 and endpoint.host for endpoint in access.endpoints)

    def test_provisioning_twice_gives_the_same_access_and_does_nothing_twice(self, adapter, device, order):
        first = adapter.provision(order)
        changes, residue = _changes(device), device.residue(order)

        second = _another(adapter).provision(order)

        assert second == first
        assert device.residue(order) == residue
        assert _changes(device) == changes

    def test_nobody_enters_before_access_is_opened(self, adapter, device, order):
        access = adapter.provision(order)

        assert not device.can_enter(access, order)

    def test_the_holder_enters_once_access_is_opened(self, adapter, device, order):
        access = adapter.provision(order)
        adapter.admit(order)

        assert device.can_enter(access, order)

    def test_opening_access_twice_is_fine(self, adapter, device, order):
        access = adapter.provision(order)
        adapter.admit(order)
        with device.hold_session(access, order) as session:
            _another(adapter).admit(order)

            assert session.alive()
        assert device.can_enter(access, order)

    def test_access_is_not_opened_to_what_was_never_provisioned(self, adapter, order):
        with pytest.raises(AdapterError):
            adapter.admit(order)

    def test_a_new_end_is_taken_over_without_disturbing_the_holder(self, adapter, device, order):
        access = adapter.provision(order)
        adapter.admit(order)
        longer = replace(order, revision=order.revision + 1, ends_at=order.ends_at + timedelta(hours=2))
        with device.hold_session(access, order) as session:
            again = adapter.provision(longer)

            assert [(e.host, e.port, e.username, e.secret) for e in again.endpoints] == [
                (e.host, e.port, e.username, e.secret) for e in access.endpoints
            ]
            assert session.alive()
        assert device.can_enter(again, longer)

    # --- closing --------------------------------------------------------------------------------

    def test_isolating_cuts_open_sessions_and_nobody_enters(self, adapter, device, order):
        access = adapter.provision(order)
        adapter.admit(order)
        with device.hold_session(access, order) as session:
            assert session.alive()

            adapter.isolate(order)

            assert _comes_true(lambda: not session.alive(), within_s=self.cut_within_s)
        assert not device.can_enter(access, order)

    def test_isolating_twice_is_fine(self, adapter, device, order):
        access = adapter.provision(order)
        adapter.admit(order)
        adapter.isolate(order)
        _another(adapter).isolate(order)

        assert not device.can_enter(access, order)

    def test_isolating_works_on_a_device_that_was_never_provisioned(self, adapter, device, order):
        adapter.isolate(order)

        assert adapter.release(order).is_clean
        assert device.residue(order) == []

    def test_an_isolated_device_stays_closed_when_its_lease_is_provisioned_again(self, adapter, device, order):
        access = adapter.provision(order)
        adapter.admit(order)
        adapter.isolate(order)
        with suppress(AdapterError):
            access = adapter.provision(order)

        assert not device.can_enter(access, order)

    # --- cleaning -------------------------------------------------------------------------------

    def test_releasing_leaves_nothing_and_proves_it(self, adapter, target, device, order):
        access = adapter.provision(order)
        adapter.admit(order)

        proof = adapter.release(order)

        assert isinstance(proof, CleanProof)
        assert proof.is_clean, [check for check in proof.checks if not check.passed]
        assert all(check.name and check.method for check in proof.checks)
        assert proof.verifier
        assert proof.verified_at.tzinfo is not None
        assert device.residue(order) == []
        assert not device.can_enter(access, order)
        assert adapter.observe(target).carries is None

    def test_releasing_cuts_a_session_that_is_still_open(self, adapter, device, order):
        access = adapter.provision(order)
        adapter.admit(order)
        with device.hold_session(access, order) as session:
            adapter.release(order)

            assert _comes_true(lambda: not session.alive(), within_s=self.cut_within_s)

    def test_releasing_twice_is_proven_clean_twice(self, adapter, device, order):
        adapter.provision(order)
        assert adapter.release(order).is_clean

        assert _another(adapter).release(order).is_clean
        assert device.residue(order) == []

    def test_what_was_only_provisioned_is_released(self, adapter, device, order):
        adapter.provision(order)

        assert adapter.release(order).is_clean
        assert device.residue(order) == []

    def test_what_was_isolated_is_released(self, adapter, device, order):
        adapter.provision(order)
        adapter.admit(order)
        adapter.isolate(order)

        assert adapter.release(order).is_clean
        assert device.residue(order) == []

    def test_what_was_never_provisioned_is_proven_clean_too(self, adapter, device, order):
        assert adapter.release(order).is_clean
        assert device.residue(order) == []

    def test_the_next_lease_finds_the_device_as_the_first_one_did(self, adapter, device, orders):
        first = orders()
        old_access = adapter.provision(first)
        adapter.admit(first)
        assert adapter.release(first).is_clean

        second = orders()
        access = adapter.provision(second)
        adapter.admit(second)

        assert device.can_enter(access, second)
        assert not device.can_enter(old_access, first)

    # --- one lease at a time, and never back ----------------------------------------------------

    def test_a_device_that_carries_another_lease_is_busy(self, adapter, target, device, orders):
        first, second = orders(), orders()
        access = adapter.provision(first)
        with pytest.raises(DeviceBusy):
            adapter.provision(second)
        adapter.admit(first)

        assert device.can_enter(access, first)
        assert adapter.observe(target).carries == first.lease_id
        assert device.residue(second) == []

    def test_an_order_of_an_earlier_epoch_is_refused_and_harms_nothing(self, adapter, target, device, orders):
        old, new = orders(), orders()
        access = adapter.provision(new)
        adapter.admit(new)
        with device.hold_session(access, new) as session:
            for verb in (adapter.provision, adapter.admit):
                with pytest.raises((DeviceBusy, DeviceRefused)):
                    verb(old)
            with suppress(DeviceBusy, DeviceRefused):
                adapter.isolate(old)

            assert session.alive()
        assert device.can_enter(access, new)
        found = adapter.observe(target)
        assert (found.carries, found.epoch) == (new.lease_id, new.epoch)

    def test_the_same_lease_in_an_earlier_epoch_is_refused(self, adapter, target, orders):
        new = orders()
        old = orders(lease_id=new.lease_id, epoch=new.epoch - 1)
        adapter.provision(new)

        with pytest.raises((DeviceBusy, DeviceRefused)):
            adapter.provision(old)
        assert adapter.observe(target).epoch == new.epoch

    def test_releasing_an_old_lease_never_touches_the_new_holder(self, adapter, target, device, orders):
        old, new = orders(), orders()
        adapter.provision(old)
        assert adapter.release(old).is_clean
        access = adapter.provision(new)
        adapter.admit(new)
        with device.hold_session(access, new) as session:
            with pytest.raises(DeviceBusy):
                adapter.release(old)

            assert session.alive()
        assert device.can_enter(access, new)
        assert adapter.observe(target).carries == new.lease_id

    def test_a_lease_that_never_got_the_device_cannot_take_it_from_its_holder(self, adapter, device, orders):
        first, second = orders(), orders()
        access = adapter.provision(first)
        adapter.admit(first)
        with device.hold_session(access, first) as session:
            for verb in (adapter.isolate, adapter.release):
                with suppress(AdapterError):
                    verb(second)

            assert session.alive()
        assert device.can_enter(access, first)

    # --- faults ---------------------------------------------------------------------------------

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_device_out_of_reach_is_said_to_be_out_of_reach(self, adapter, broken, order, verb):
        broken("unreachable")

        with pytest.raises(DeviceUnreachable):
            _call(adapter, verb, order)

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_device_that_hangs_does_not_take_the_worker_with_it(self, adapter, broken, order, verb):
        adapter.provision(order)
        broken("hang")
        began = time.monotonic()

        with pytest.raises(AdapterError):
            _call(adapter, verb, order)
        assert time.monotonic() - began < self.patience_s

    @pytest.mark.parametrize("fault", ["late", "lie", "reboot"])
    @pytest.mark.parametrize("verb", VERBS)
    def test_only_adapter_errors_leave_a_verb(self, adapter, broken, order, verb, fault):
        adapter.provision(order)
        adapter.admit(order)
        broken(fault)

        with suppress(AdapterError):
            _call(adapter, verb, order)

    @pytest.mark.parametrize("fault", ["unreachable", "hang"])
    def test_a_device_that_could_not_be_looked_at_is_unknown_not_absent(
        self, adapter, target, device, broken, order, fault
    ):
        adapter.provision(order)
        broken(fault)
        with pytest.raises(AdapterError):
            adapter.observe(target)
        device.mend()

        assert adapter.observe(target).carries == order.lease_id

    def test_a_late_answer_is_an_unknown_outcome_and_a_look_tells_the_truth(
        self, adapter, target, device, broken, order
    ):
        broken("late")
        with pytest.raises(AdapterError) as caught:
            adapter.provision(order)
        assert caught.value.remedy is Remedy.LOOK
        device.mend()

        found = adapter.observe(target)
        assert found.carries == (order.lease_id if device.residue(order) else None)

        access = adapter.provision(order)
        adapter.admit(order)
        assert device.can_enter(access, order)

    def test_closing_is_finished_after_a_late_answer(self, adapter, device, broken, order):
        access = adapter.provision(order)
        adapter.admit(order)
        broken("late")
        with suppress(AdapterError):
            adapter.isolate(order)
        device.mend()
        adapter.isolate(order)

        assert not device.can_enter(access, order)

    def test_cleaning_is_finished_after_a_late_answer(self, adapter, device, broken, order):
        adapter.provision(order)
        adapter.admit(order)
        broken("late")
        with suppress(AdapterError):
            adapter.release(order)
        device.mend()

        assert adapter.release(order).is_clean
        assert device.residue(order) == []

    def test_a_device_that_lies_is_never_said_to_be_ready(self, adapter, broken, order):
        broken("lie")

        with pytest.raises(AdapterError):
            adapter.provision(order)

    def test_a_device_that_lies_is_never_said_to_be_closed(self, adapter, broken, order):
        adapter.provision(order)
        adapter.admit(order)
        broken("lie")

        with pytest.raises(AdapterError):
            adapter.isolate(order)

    def test_a_device_that_lies_is_never_proven_clean(self, adapter, device, broken, order):
        adapter.provision(order)
        adapter.admit(order)
        broken("lie")
        try:
            proof = adapter.release(order)
        except AdapterError:
            pass
        else:
            assert not proof.is_clean
        device.mend()

        assert adapter.release(order).is_clean
        assert device.residue(order) == []

    def test_a_device_that_rebooted_is_made_ready_again(self, adapter, device, broken, order):
        adapter.provision(order)
        adapter.admit(order)
        broken("reboot")
        device.mend()

        access = adapter.provision(order)
        adapter.admit(order)

        assert device.can_enter(access, order)

    def test_a_device_that_rebooted_is_closed_and_cleaned(self, adapter, target, device, broken, order):
        access = adapter.provision(order)
        adapter.admit(order)
        broken("reboot")
        device.mend()

        adapter.isolate(order)
        assert not device.can_enter(access, order)
        assert adapter.release(order).is_clean
        assert device.residue(order) == []
        assert adapter.observe(target).carries is None

    # --- what crosses to the portal -------------------------------------------------------------

    def test_what_the_verbs_give_survives_the_wire(self, adapter, target, order):
        for value in (adapter.provision(order), adapter.observe(target), adapter.release(order)):
            assert from_json(type(value), to_json(value)) == value
        assert from_json(LeaseOrder, to_json(order)) == order

    def test_the_description_fits_the_adapter(self, adapter, target, order):
        from adapters.registry import adapter_class

        description = adapter.description

        assert adapter_class(description.name) is type(adapter)
        assert target.adapter == description.name
        assert target.kind in description.kinds
        assert description.preparation > timedelta()
        assert description.cleanup > timedelta()
        assert description.check_parameters(order.parameters, order.artefacts) == ()
        assert description.check_attributes(target.attributes) == ()

    @pytest.mark.parametrize("part", ["settings", "attributes", "parameters"])
    def test_each_form_has_a_schema_that_refuses_unknown_fields(self, adapter, part):
        schema = adapter.description.schema_of(part)

        assert to_json(schema)
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False

    def test_settings_that_work_give_no_problem(self, adapter, target):
        assert adapter.description.check_settings(target.settings) == ()

    def test_settings_that_are_junk_give_a_problem_for_each_field(self, adapter):
        names = {field.name for field in fields(adapter.description.settings)}
        junk = dict.fromkeys([*names, "no_such_field"], object())

        problems = adapter.description.check_settings(junk)

        assert {problem.field.split(".")[0] for problem in problems} == {*names, "no_such_field"}
        assert all(problem.message for problem in problems)

    def test_the_description_loads_no_device_library(self, adapter):
        module = f"adapters.{adapter.description.name}.settings"
        program = f"import sys, {module}; print(*(n for n in {VENDOR_LIBRARIES!r} if n in sys.modules))"

        loaded = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
        )

        assert loaded.stdout.split() == []


def _call(adapter: Adapter, verb: str, order: LeaseOrder) -> object:
    return getattr(adapter, verb)(order.target if verb in ("observe", "discover") else order)


def _another(adapter: Adapter) -> Adapter:
    """Return the adapter as another process would have it: nothing is kept between calls."""
    return type(adapter)(secrets=adapter.secrets)


def _changes(device: Device) -> int | None:
    return device.changes() if hasattr(device, "changes") else None


def _with_parts(found: tuple[FoundDevice, ...]) -> Iterator[FoundDevice]:
    for entry in found:
        yield entry
        yield from _with_parts(entry.parts)


def _comes_true(condition: Callable[[], bool], *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
