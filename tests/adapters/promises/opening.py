"""Looking at a device, getting it ready, opening access."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.contract import Access, Observation
from adapters.errors import AdapterError
from tests.adapters.promises.device import another, changes_of, with_parts


class OpeningPromises:
    """From an idle device to a holder who is in."""

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
        before = changes_of(device)
        access = adapter.provision(order)
        with device.hold_session(access, order) as session:
            residue = device.residue(order)

            first, second = adapter.observe(target), adapter.observe(target)
            adapter.discover(target)

            assert (first.carries, first.epoch) == (second.carries, second.epoch)
            assert device.residue(order) == residue
            assert session.alive()
        assert changes_of(device) == before

    def test_discovered_devices_are_valid_records(self, adapter, target):
        found = adapter.discover(target)

        assert found
        for entry in with_parts(found):
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
        changes, residue = changes_of(device), device.residue(order)

        second = another(adapter).provision(order)

        assert second == first
        assert device.residue(order) == residue
        assert changes_of(device) == changes

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
            another(adapter).admit(order)

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
