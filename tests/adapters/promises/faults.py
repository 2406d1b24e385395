"""Devices that are out of reach, hang, answer late, lie or reboot."""

import time
from contextlib import suppress
from typing import ClassVar

import pytest

from adapters.errors import AdapterError, DeviceUnreachable, Remedy
from tests.adapters.promises.device import VERBS, call


class FaultPromises:
    """What holds however the device misbehaves."""

    patience_s: ClassVar[float] = 15.0
    """The longest any verb may take on a device that hangs, with the timeouts of `target`."""

    # --- faults ---------------------------------------------------------------------------------

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_device_out_of_reach_is_said_to_be_out_of_reach(self, adapter, broken, order, verb):
        broken("unreachable")

        with pytest.raises(DeviceUnreachable):
            call(adapter, verb, order)

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_device_that_hangs_does_not_take_the_worker_with_it(self, adapter, broken, order, verb):
        adapter.provision(order)
        broken("hang")
        began = time.monotonic()

        with pytest.raises(AdapterError):
            call(adapter, verb, order)
        assert time.monotonic() - began < self.patience_s

    @pytest.mark.parametrize("fault", ["late", "lie", "reboot"])
    @pytest.mark.parametrize("verb", VERBS)
    def test_only_adapter_errors_leave_a_verb(self, adapter, broken, order, verb, fault):
        adapter.provision(order)
        adapter.admit(order)
        broken(fault)

        with suppress(AdapterError):
            call(adapter, verb, order)

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
