import pytest
from celery import Celery

from shary_portal.celery import BELL_QUEUE, app
from shary_portal.doorbell import MOST_WAITING, Doorbell

SCHEDULE = list(app.conf.beat_schedule.values())
ON_THE_BELL = [entry["task"] for entry in SCHEDULE if entry["options"]["queue"] == BELL_QUEUE]


@pytest.fixture
def house(broker_url):
    """A Celery app that rings as the hub does, on an empty broker."""
    house = Celery("house", broker=broker_url, set_as_current=False)
    house.conf.beat_schedule = app.conf.beat_schedule
    house.conf.task_ignore_result = True
    yield house
    house.close()


@pytest.fixture
def bell(house):
    bell = Doorbell(house)
    yield bell
    bell.connection.close()


def ring(bell, times):
    for _ in range(times):
        for entry in bell.schedule.values():
            bell.apply_async(entry, advance=False)


def take_all(house):
    taken = []
    with house.connection_for_read() as connection, connection.SimpleQueue(BELL_QUEUE) as queue:
        while True:
            try:
                taken.append(queue.get(block=False))
            except queue.Empty:
                return taken
            taken[-1].ack()


def test_it_rings_when_nobody_waits(house, bell):
    ring(bell, 1)
    rings = take_all(house)
    assert {ring.headers["task"] for ring in rings} == set(ON_THE_BELL)
    assert len(rings) == len(ON_THE_BELL)


def test_every_ring_says_when_it_is_stale(house, bell):
    ring(bell, 1)
    assert all(ring.headers["expires"] for ring in take_all(house))


def test_rings_do_not_pile_up_while_nobody_opens(house, bell):
    ring(bell, 50)
    assert len(take_all(house)) == MOST_WAITING


def test_it_rings_again_once_somebody_opened(house, bell):
    ring(bell, 50)
    take_all(house)
    ring(bell, 1)
    assert len(take_all(house)) == len(ON_THE_BELL)


def test_the_bell_is_not_the_queue_of_the_reports():
    assert app.conf.task_default_queue != BELL_QUEUE


def test_what_waits_for_other_machines_does_not_keep_the_bell_waiting():
    elsewhere = {entry["task"] for entry in SCHEDULE if entry["options"]["queue"] != BELL_QUEUE}
    assert elsewhere == {"reservations.send_mail", "reservations.refresh_metadata"}
