"""Questions to the sites: sent until they are answered, sealed, and safe to send twice."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
import redis
from celery import current_app
from django.utils import timezone

from adapters.contract.wire import Order, new_key, private_key, public_text, seal, unseal
from reservations.services.engine.discovery import send_questions
from reservations.services.engine.orders import hub_key
from reservations.services.engine.reconcile import reconcile
from reservations.services.engine.reports import take_reports
from reservations.services.engine.tick import tick
from resources.findings import open_counts
from resources.models import Discovery, Site
from resources.services.discovery import PATIENCE, SEND_AGAIN_AFTER, SILENT, ask_about, ask_behind
from tests.factories import make_superuser
from tests.resources.sites import LXD, answering, found_card, found_host, make_asked_site, make_host

pytestmark = pytest.mark.django_db
NOW = timezone.now()
KEY = private_key(new_key())


@pytest.fixture
def site(settings: Any) -> Site:
    settings.SHARY_HUB_KEY = new_key()
    return make_asked_site("roma", name="Roma", last_heard_at=NOW)


def use_broker(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the hub talk to this broker, on connections of its own."""
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    monkeypatch.setattr(current_app, "_pool", None, raising=False)
    monkeypatch.setattr(current_app.amqp, "_producer_pool", None, raising=False)


@pytest.fixture
def queue(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The site's queue at a real broker: what the site would read."""
    use_broker(broker_url, monkeypatch)

    def read() -> list[Order]:
        with redis.Redis.from_url(broker_url) as client:
            bodies = [json.loads(text)["body"] for text in reversed(client.lrange("site.roma", 0, -1))]
            client.delete("site.roma")
        sealed = [message for body in bodies for message in json.loads(base64.b64decode(body))[0][0]]
        return [unseal(Order, message, key=hub_key().public_key()) for message in sealed]

    return read


def test_a_question_is_sent_with_the_settings_of_its_device_and_again_until_it_is_answered(
    site: Site, queue: Any
) -> None:
    host = make_host(site)
    discovery = ask_about(resource=host, actor=None, now=NOW)
    tick(now=NOW)
    (order,) = queue()
    (target,) = order.targets
    assert (order.verb, order.id, order.site) == ("discover", str(discovery.pk), "roma")
    assert (target.adapter, target.resource_id, target.settings) == ("gpu_lxd", str(host.pk), host.settings)
    assert send_questions(now=NOW + timedelta(seconds=1)) == 0
    assert send_questions(now=NOW + SEND_AGAIN_AFTER) == 1
    assert [again.id for again in queue()] == [order.id], "to the site it is the same search"
    take_reports([_sealed(discovery, site)], now=NOW)
    assert send_questions(now=NOW + 2 * SEND_AGAIN_AFTER) == 0


def test_typed_settings_are_sent_as_they_were_typed(site: Site, queue: Any) -> None:
    ask_behind(site=site, adapter="gpu_lxd", settings=LXD, actor=make_superuser(), now=NOW)
    send_questions(now=NOW)
    (order,) = queue()
    assert order.targets[0].settings == LXD


def test_what_is_not_answered_is_given_up_and_not_sent_any_more(site: Site, queue: Any) -> None:
    discovery = ask_about(resource=make_host(site), actor=None, now=NOW)
    for seconds in range(0, int(PATIENCE.total_seconds()) + 90, 15):
        send_questions(now=NOW + timedelta(seconds=seconds))
    discovery.refresh_from_db()
    assert discovery.error == SILENT
    assert len(queue()) == discovery.attempts == PATIENCE // SEND_AGAIN_AFTER


def test_a_broker_that_is_away_loses_no_question(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    discovery = ask_about(resource=make_host(site), actor=None, now=NOW)
    use_broker("redis://127.0.0.1:1/0", monkeypatch)
    assert send_questions(now=NOW) == 0
    discovery.refresh_from_db()
    assert (discovery.attempts, discovery.next_try_at) == (0, NOW)


def test_the_slow_round_asks_by_itself_and_a_sealed_answer_is_believed(site: Site, queue: Any) -> None:
    make_host(site)
    reconcile(now=NOW)
    discovery = Discovery.objects.get()
    assert discovery.asked_by is None
    assert take_reports([_sealed(discovery, site, key=private_key(new_key()))], now=NOW) == 0
    assert Discovery.objects.get().is_waiting
    for _ in range(10):
        take_reports([_sealed(discovery, site)], now=NOW)
    assert not Discovery.objects.get().is_waiting
    assert open_counts([site.pk], now=NOW) == {site.pk: 2}


def _sealed(discovery: Discovery, site: Site, key: Any = KEY) -> str:
    Site.objects.filter(pk=site.pk).update(public_key=public_text(KEY))
    return seal(answering(discovery, found_host(found_card("0000:b3:00.0")), at=NOW), key=key, sender=site.slug)
