"""Closing access, cleaning, and whose turn it is."""

from contextlib import suppress
from typing import ClassVar

import pytest

from adapters.contract import CleanProof
from adapters.errors import AdapterError, DeviceBusy, DeviceRefused
from tests.adapters.promises.device import another, comes_true


class ClosingPromises:
    """From a holder who is in to a device that is proven clean."""

    cut_within_s: ClassVar[float] = 5.0
    """How long after `isolate` an open session may still be seen."""

    # --- closing --------------------------------------------------------------------------------

    def test_isolating_cuts_open_sessions_and_nobody_enters(self, adapter, device, order):
        access = adapter.provision(order)
        adapter.admit(order)
        with device.hold_session(access, order) as session:
            assert session.alive()

            adapter.isolate(order)

            assert comes_true(lambda: not session.alive(), within_s=self.cut_within_s)
        assert not device.can_enter(access, order)

    def test_isolating_twice_is_fine(self, adapter, device, order):
        access = adapter.provision(order)
        adapter.admit(order)
        adapter.isolate(order)
        another(adapter).isolate(order)

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

            assert comes_true(lambda: not session.alive(), within_s=self.cut_within_s)

    def test_releasing_twice_is_proven_clean_twice(self, adapter, device, order):
        adapter.provision(order)
        assert adapter.release(order).is_clean

        assert another(adapter).release(order).is_clean
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
