"""Messages on the wire: answers that are cut off, late, or of another question."""

import errno
import socket
import struct
import threading

import pytest

from adapters.errors import DeviceUnreachable, OutcomeUnknown
from adapters.smart_nic_sriov import messages
from adapters.smart_nic_sriov.client import Channel, Refusal


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours, timeout_s=0.5), theirs


def answering(theirs: socket.socket, *answers: bytes) -> threading.Thread:
    def answer() -> None:
        theirs.recv(4096)
        for piece in answers:
            theirs.sendall(piece)

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def end(sequence: int, number: int = 0) -> bytes:
    return messages.pack(messages.ERROR, 0x100, sequence, struct.pack("=i", -number) + bytes(16))


def test_an_answer_in_pieces_is_put_together(pair):
    channel, theirs = pair
    whole = messages.pack(16, 0, 1, b"abcd") + end(1)
    thread = answering(theirs, whole[:7], whole[7:21], whole[21:])

    assert [message.body for message in channel.ask(18, b"")] == [b"abcd"]
    thread.join()


def test_the_answer_to_an_earlier_question_is_passed_over(pair):
    channel, theirs = pair
    thread = answering(theirs, end(77, errno.EPERM), messages.pack(16, 0, 1, b"mine") + end(1))

    assert [message.body for message in channel.ask(18, b"")] == [b"mine"]
    thread.join()


def test_a_refusal_has_its_number(pair):
    channel, theirs = pair
    thread = answering(theirs, end(1, errno.EBUSY))

    with pytest.raises(Refusal, match="EBUSY"):
        channel.change(19, b"")
    thread.join()


def test_an_unanswered_question_changed_nothing_and_an_unanswered_change_may_have(pair):
    channel, _ = pair

    with pytest.raises(DeviceUnreachable, match="Nothing was changed"):
        channel.ask(18, b"")
    with pytest.raises(OutcomeUnknown, match="may have been made"):
        channel.change(19, b"")


@pytest.mark.parametrize(
    "junk", [struct.pack("=IHHII", 3, 2, 0, 1, 0), struct.pack("=IHHII", 2**31, 2, 0, 1, 0)]
)
def test_junk_is_no_answer(pair, junk):
    channel, theirs = pair
    thread = answering(theirs, junk)

    with pytest.raises(OutcomeUnknown):
        channel.change(19, b"")
    thread.join()


def test_a_closed_connection_is_no_answer(pair):
    channel, theirs = pair
    theirs.close()

    with pytest.raises(DeviceUnreachable):
        channel.ask(18, b"")


def test_attributes_survive_being_written_and_read():
    written = (
        messages.attribute(3, "ens1f0") + messages.attribute(29, 1) + messages.attribute(0x8000 | 22, b"xyz")
    )

    assert list(messages.attributes(written)) == [(3, b"ens1f0\0"), (29, b"\1\0\0\0"), (22, b"xyz")]


def test_an_attribute_that_is_cut_off_is_seen():
    with pytest.raises(ValueError, match="cut off"):
        list(messages.attributes(struct.pack("=HH", 40, 3) + b"short"))
