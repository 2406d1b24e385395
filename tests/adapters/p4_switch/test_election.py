"""Election ids rise with the epochs, and stay in their bands."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.p4_switch.election import (
    HOLDER_IDS,
    REVOKE_BAND,
    TENANT_BAND,
    ElectionId,
    holder_id,
    holder_id_in,
    preparing_id,
    revoking_id,
)

epochs = st.integers(min_value=0, max_value=2**63)
leases = st.uuids().map(str)


@given(epoch=epochs, lease=leases)
def test_each_band_is_above_the_one_before_and_below_the_next_epoch(epoch, lease):
    holder = holder_id(lease, epoch)

    assert ElectionId(0, 0) < preparing_id(epoch) < holder < revoking_id(epoch) < preparing_id(epoch + 1)
    assert TENANT_BAND <= holder.low < holder.low + HOLDER_IDS < REVOKE_BAND


@given(epoch=epochs, lease=leases, number=st.integers(min_value=0, max_value=HOLDER_IDS - 1))
def test_all_of_the_holders_ids_are_recognised(epoch, lease, number):
    first = holder_id(lease, epoch)

    assert holder_id_in(ElectionId(epoch, first.low + number), lease, epoch) == first


@given(epoch=epochs, lease=leases, other=leases, seen=st.integers(min_value=0, max_value=2**64 - 1))
def test_nobody_else_is_taken_for_the_holder(epoch, lease, other, seen):
    first = holder_id(lease, epoch)

    if other != lease:
        assert holder_id_in(first, other, epoch) is None
    assert holder_id_in(first, lease, epoch + 1) is None
    assert holder_id_in(preparing_id(epoch), lease, epoch) is None
    assert holder_id_in(revoking_id(epoch), lease, epoch) is None


@given(epoch=epochs, lease=leases)
def test_a_lease_that_is_opened_again_gets_ids_above_what_closed_it(epoch, lease):
    closed = revoking_id(epoch)
    again = holder_id(lease, epoch, above=closed)

    assert again > closed
    assert again.high == epoch
    assert holder_id_in(again, lease, epoch) == again


@given(high=epochs, low=st.integers(min_value=0, max_value=2**64 - 1))
def test_the_next_id_is_one_more_as_a_number_of_128_bits(high, low):
    following = ElectionId(high, low).next

    assert (following.high << 64 | following.low) == (high << 64 | low) + 1


def test_the_end_of_an_epoch_is_where_the_next_ones_first_id_begins():
    assert not ElectionId(8, 0).is_later_than(7)
    assert ElectionId(8, 1).is_later_than(7)
