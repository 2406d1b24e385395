"""Finding a slot: ranked by time, price and speed, and what to give up when there is none."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from reservations.services.asks import Ask
from reservations.services.finding import Order, SlotWish, find, pool_of, refusals_of
from reservations.services.relaxing import relaxations
from resources.models import ModelSpeed, Price, Resource, Site
from tests.factories import book_lease, make_resource, make_site, make_user

NOW = datetime(2030, 1, 7, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def user(db: None) -> User:
    return make_user()


@pytest.fixture
def roma(db: None) -> Site:
    return make_site("roma", name="Roma")


@pytest.fixture
def osaka(db: None) -> Site:
    return make_site("osaka", name="Osaka", contact_email="testbed@osaka.example")


def card(site: Site, model: str = "L40S", memory_gib: int = 48, **fields: object) -> Resource:
    return make_resource(site, attributes={"model": model, "memory_gib": memory_gib}, **fields)


def price(site: Site, an_hour: str, model: str = "", valid_from: datetime = NOW - HOUR) -> None:
    Price.objects.create(
        site=site, kind="gpu", model=model, credits_per_hour=Decimal(an_hour), valid_from=valid_from
    )


def speed(model: str, factor: str) -> None:
    ModelSpeed.objects.create(kind="gpu", model=model, factor=Decimal(factor), source="A test")


def wish(user: User, *asks: Ask, hours: float = 2, within: float = 48, **more: object) -> SlotWish:
    return SlotWish(
        person=user,
        asks=asks or [Ask(kind="gpu")],
        duration=hours * HOUR,
        earliest=NOW,
        latest=NOW + within * HOUR,
        **more,  # type: ignore[arg-type]
    )


def sites_by(order: Order, wanted: SlotWish) -> list[str]:
    found = find(pool_of(wanted, now=NOW), wanted, order=order, limit=5, now=NOW)
    return [slot.devices[0].resource.site.slug for slot in found]


def test_each_site_and_model_gives_an_answer_and_the_order_is_as_asked(
    user: User, roma: Site, osaka: Site
) -> None:
    busy, quick = card(roma), card(osaka, "H100", 80)
    book_lease(quick, starts_at=NOW, hours=5)
    price(roma, "3.00")
    price(osaka, "2.00")
    speed("L40S", "1")
    speed("H100", "2.5")
    wanted = wish(user)
    assert sites_by("earliest", wanted) == ["roma", "osaka"]
    assert sites_by("cheapest", wanted) == ["osaka", "roma"]
    assert sites_by("fastest", wanted) == ["osaka", "roma"]
    (first, second) = find(pool_of(wanted, now=NOW), wanted, order="earliest", limit=5, now=NOW)
    assert [device.resource for device in first.devices] == [busy]
    assert (first.starts_at, first.credits, first.speed) == (NOW, Decimal("6.00"), Decimal(1))
    assert second.starts_at >= NOW + 5 * HOUR
    assert second.devices[0].tariff.credits_for_work == Decimal("0.80")


def test_what_nobody_has_said_is_unknown_and_comes_last(user: User, roma: Site, osaka: Site) -> None:
    card(roma)
    card(osaka, "H100", 80)
    price(osaka, "9.00")
    wanted = wish(user)
    found = find(pool_of(wanted, now=NOW), wanted, order="cheapest", limit=5, now=NOW)
    assert [slot.credits for slot in found] == [Decimal("18.00"), None]
    assert [slot.speed for slot in found] == [None, None]


def test_the_price_of_the_model_comes_before_that_of_the_kind_and_the_newest_before_older_ones(
    user: User, roma: Site
) -> None:
    card(roma)
    price(roma, "1.00")
    price(roma, "2.00", "l40s", NOW - 3 * HOUR)
    price(roma, "3.00", "L40S", NOW - 2 * HOUR)
    price(roma, "4.00", "L40S", NOW + HOUR)
    wanted = wish(user, hours=1)
    (slot,) = find(pool_of(wanted, now=NOW), wanted, order="earliest", limit=5, now=NOW)
    assert slot.credits == Decimal("3.00")


def test_sites_can_be_barred_and_a_speed_can_be_asked_for(user: User, roma: Site, osaka: Site) -> None:
    card(roma, "A16", 16)
    card(osaka, "H100", 80)
    speed("A16", "0.3")
    speed("H100", "2.5")
    assert sites_by("earliest", wish(user, barred_sites=frozenset({"osaka"}))) == ["roma"]
    assert sites_by("earliest", wish(user, sites=frozenset({"osaka"}))) == ["osaka"]
    assert sites_by("earliest", wish(user, Ask(kind="gpu", minimum={"relative_speed": 1}))) == ["osaka"]
    assert sites_by("earliest", wish(user, Ask(kind="gpu", minimum={"memory_gib": 17}))) == ["osaka"]


def test_a_site_is_not_searched_for_longer_or_farther_ahead_than_it_lends(
    user: User, roma: Site, osaka: Site
) -> None:
    device = card(roma)
    book_lease(device, starts_at=NOW, hours=5)
    Site.objects.filter(pk=roma.pk).update(look_ahead=4 * HOUR)
    wanted = wish(user)
    assert sites_by("earliest", wanted) == []
    Site.objects.filter(pk=roma.pk).update(look_ahead=6 * HOUR)
    assert sites_by("earliest", wanted) == ["roma"]
    Site.objects.filter(pk=roma.pk).update(longest_lease=HOUR)
    pool = pool_of(wanted, now=NOW)
    assert find(pool, wanted, order="earliest", limit=5, now=NOW) == []
    (refusal,) = refusals_of(pool, wanted)
    assert (refusal.reason, refusal.never) == ("policy", False)
    assert "Roma lends for at most 1 h" in refusal.message
    assert [each.change for each in relaxations(wanted, now=NOW)] == ["shorter"]


def test_one_window_that_begins_off_the_grid_is_found(user: User, roma: Site) -> None:
    card(roma)
    wanted = wish(user, hours=2, within=2)
    odd = NOW + timedelta(minutes=3, seconds=7)
    exact = SlotWish(person=user, asks=wanted.asks, duration=2 * HOUR, earliest=odd, latest=odd + 2 * HOUR)
    (slot,) = find(pool_of(exact, now=NOW), exact, order="earliest", limit=5, now=NOW)
    assert (slot.starts_at, slot.ends_at) == (odd, odd + 2 * HOUR)


def changes(wanted: SlotWish) -> set[str]:
    assert find(pool_of(wanted, now=NOW), wanted, order="earliest", limit=5, now=NOW) == []
    found = relaxations(wanted, now=NOW)
    for each in found:
        again = find(pool_of(each.wish, now=NOW), each.wish, order="earliest", limit=1, now=NOW)
        assert again, f"{each.words} was promised"
        assert each.window.starts_at >= again[0].starts_at
    return {each.change for each in found}


def test_what_to_give_up_was_searched_for(user: User, roma: Site, osaka: Site) -> None:
    taken, other = card(roma), card(osaka, "H100", 80)
    book_lease(taken, starts_at=NOW, hours=100)
    assert changes(wish(user, Ask(kind="gpu", model="L40S"))) == {"model", "later"}
    assert changes(wish(user, Ask(kind="gpu", site="roma"))) == {"sites", "later"}
    assert changes(wish(user, sites=frozenset({"roma"}))) == {"sites", "later"}
    assert changes(wish(user, Ask(kind="gpu", count=2))) == {"fewer", "later"}
    assert changes(wish(user, Ask(resource=taken.pk))) == {"later"}
    switch = make_resource(roma, kind="p4_switch", name="Tofino 1", adapter="p4_switch", attributes={})
    tied = Ask(kind="gpu", model="H100", same_site_as=0)
    assert changes(wish(user, Ask(resource=switch.pk), tied)) == {"same_site"}
    assert changes(wish(user, Ask(kind="gpu", model="B200", count=2))) == {"all"}
    assert other.site == osaka


def test_a_shorter_window_is_the_longest_that_is_there(user: User, roma: Site) -> None:
    device = card(roma, preparation_s=0, cleanup_s=0)
    book_lease(device, starts_at=NOW + 3 * HOUR, hours=100)
    (shorter, *_others) = [
        each for each in relaxations(wish(user, hours=4, within=24), now=NOW) if each.change == "shorter"
    ]
    assert shorter.wish.duration == 3 * HOUR
    assert (shorter.window.starts_at, shorter.window.ends_at) == (NOW, NOW + 3 * HOUR)


def test_a_search_takes_three_statements_however_many_candidates_there_are(
    user: User, roma: Site, osaka: Site
) -> None:
    for many in (1, 20):
        for site in (roma, osaka):
            for _ in range(many):
                card(site)
        price(roma, "1.00", valid_from=NOW - many * HOUR)
        wanted = wish(user, Ask(kind="gpu"), Ask(kind="gpu", model="L40S", minimum={"memory_gib": 8}))
        with CaptureQueriesContext(connection) as asked:
            assert find(pool_of(wanted, now=NOW), wanted, order="cheapest", limit=5, now=NOW)
        assert len(asked) == 3
