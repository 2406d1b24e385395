"""Bookings whose devices have to talk to each other, and the VLANs of their links."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from reservations.errors import CannotBook, Invalid
from reservations.models import Lease, Reservation, VlanAllotment
from reservations.selectors.links import links_of
from reservations.services.asks import Ask
from reservations.services.booking import Request, book, check_booking
from reservations.services.changes import cancel, extend, move_window
from reservations.services.engine.orders import lease_orders
from reservations.services.gate import move
from reservations.services.moving import move_elsewhere
from reservations.states import Status
from resources.models import Cable, Resource, Site
from scheduling.wiring import Ties, everything_of
from tests.factories import make_project, make_resource, make_site, make_user, walk_lease

NOW = datetime(2030, 1, 7, 9, tzinfo=UTC)
START = NOW + timedelta(hours=2)


@pytest.fixture
def user(db: None) -> User:
    return make_user(projects=[make_project("quantum")])


@pytest.fixture
def site(db: None) -> Site:
    return make_site("torino", name="Torino", vlan_pool="200-201")


def switch(site: Site, name: str = "Switch 1") -> Resource:
    # Traffic passes through this adapter's devices, and it asks for no program.
    return make_resource(
        site, name=name, kind="p4_switch", adapter="smart_nic_bluefield", attributes={"ports": 2}
    )


def host(site: Site, name: str, cards: int = 2) -> tuple[Resource, list[Resource]]:
    whole = make_resource(site, name=name, kind="gpu_host")
    return whole, [make_resource(parent=whole, name=f"{name} card {number}") for number in range(1, cards + 1)]


def cable(one: Resource, port: str, other: Resource, other_port: str, **fields: Any) -> Cable:
    return Cable.objects.create(a=one, a_port=port, b=other, b_port=other_port, **fields)


def request(
    user: User, *asks: Ask, ties: Ties | None = None, starts_at: datetime = START, hours: float = 1
) -> Request:
    return Request(
        user=user,
        project="quantum",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=hours),
        asks=asks,
        ties=everything_of(len(asks)) if ties is None else ties,
    )


def refused(wanted: Request) -> CannotBook:
    before = Reservation.objects.count()
    with pytest.raises(CannotBook) as caught:
        book(wanted, now=NOW)
    assert Reservation.objects.count() == before
    return caught.value


def named(*resources: Resource) -> list[Ask]:
    return [Ask(resource=resource.pk) for resource in resources]


def vlans(reservation: Reservation) -> list[int | None]:
    return [link.vlan for link in links_of([reservation.pk])[reservation.pk]]


# Who can talk


def test_cards_reach_a_switch_by_the_cable_of_their_host(user: User, site: Site) -> None:
    s1, (roma, (card, _)) = switch(site), host(site, "Roma")
    cable(s1, "1/0", roma, "eth2")
    made = book(request(user, *named(card, s1)), now=NOW)
    (link,) = links_of([made.pk])[made.pk]
    assert (link.a.name, link.a.port, link.b.name, link.b.port) == ("Switch 1", "1/0", card.name, "eth2")


def test_two_hosts_need_the_switch_between_them(user: User, site: Site) -> None:
    s1, (one, _), (other, _) = switch(site), host(site, "One"), host(site, "Other")
    cable(s1, "1", one, "eth0")
    cable(s1, "2", other, "eth0")
    refusal = refused(request(user, *named(one, other)))
    assert [(each.reason, each.never) for each in refusal.refusals] == [("unconnected", True)]
    assert "One and Other are not joined" in refusal.message
    assert "One is wired to Switch 1" in refusal.message
    assert "book the switch between them" in refusal.message
    book(request(user, *named(one, other, s1)), now=NOW)


def test_a_refusal_names_what_the_devices_are_wired_to(user: User, site: Site) -> None:
    s1, s2, (one, _), (other, _) = (
        switch(site),
        switch(site, "Switch 2"),
        host(site, "One"),
        host(site, "Other"),
    )
    cable(s1, "1", one, "eth0")
    cable(s1, "2", s2, "2")
    assert "Switch 1 is wired to One and Switch 2" in refused(request(user, *named(s1, other))).message
    lone = switch(site, "Switch 3")
    assert "No cable of either is known" in refused(request(user, *named(lone, other))).message


def test_only_the_pairs_that_are_named_have_to_talk(user: User, site: Site) -> None:
    s1, (one, _), (other, _) = switch(site), host(site, "One"), host(site, "Other")
    cable(s1, "1", one, "eth0")
    book(request(user, *named(one, s1, other), ties=frozenset({(0, 1)})), now=NOW)
    assert "Other" in refused(request(user, *named(one, s1, other), hours=2)).message


def test_without_the_wish_devices_that_are_not_wired_are_booked_as_ever(user: User, site: Site) -> None:
    one, other = host(site, "One")[0], switch(site)
    made = book(request(user, *named(one, other), ties=frozenset()), now=NOW)
    assert made.wiring is None
    assert not links_of([made.pk])[made.pk]


def test_a_wish_takes_the_devices_that_are_wired_to_each_other(user: User, site: Site) -> None:
    switch(site), host(site, "A")
    s2, (b, cards) = switch(site, "Switch 2"), host(site, "B")
    cable(s2, "1", b, "eth0")
    asks = (Ask(kind="gpu", count=2), Ask(kind="p4_switch"))
    wanted = request(user, *asks)
    assert set(check_booking(wanted, now=NOW)) == {s2.pk, *(card.pk for card in cards)}
    made = book(wanted, now=NOW)
    assert {lease.resource_id for lease in made.leases.all()} == {s2.pk, *(card.pk for card in cards)}


def test_a_wish_that_is_wired_later_gets_the_windows_in_which_it_is_free(user: User, site: Site) -> None:
    switch(site)
    s2, (b, _) = switch(site, "Switch 2"), host(site, "B", cards=1)
    cable(s2, "1", b, "eth0")
    asks = (Ask(kind="gpu_host"), Ask(kind="p4_switch"))
    book(request(user, Ask(resource=s2.pk), ties=frozenset()), now=NOW)
    refusal = refused(request(user, *asks))
    assert [(each.reason, each.never) for each in refusal.refusals] == [("unconnected", False)]
    assert refusal.alternatives
    assert all(set(window.resources) == {b.pk, s2.pk} for window in refusal.alternatives)
    never = refused(request(user, Ask(kind="gpu_host"), Ask(resource=switch(site, "Switch 3").pk)))
    assert never.never


def test_a_link_between_lines_that_are_not_there_is_refused(user: User, site: Site) -> None:
    with pytest.raises(Invalid) as caught:
        book(request(user, *named(switch(site)), ties=frozenset({(0, 1)})), now=NOW)
    assert "links" in caught.value.errors


def test_another_device_takes_the_place_of_a_wished_one_only_if_it_is_wired_too(user: User, site: Site) -> None:
    s1, (one, _), (other, _) = switch(site), host(site, "One"), host(site, "Other")
    cable(s1, "1", one, "eth0", a_sets_vlan=True)
    made = book(request(user, Ask(kind="gpu_host"), *named(s1)), now=NOW)
    lease = made.leases.select_related("resource__site", "reservation").get(resource=one)
    assert not move_elsewhere(lease, now=NOW)
    assert VlanAllotment.objects.get(holding=True).vlan == 200
    link = cable(s1, "2", other, "eth0", a_sets_vlan=True)
    assert move_elsewhere(lease, now=NOW)
    assert VlanAllotment.objects.get(holding=True).cable == link


# VLANs


@pytest.fixture
def pair(site: Site) -> tuple[Resource, Resource]:
    s1, (one, _) = switch(site), host(site, "One")
    cable(s1, "1", one, "eth0", a_sets_vlan=True)
    return s1, one


def test_a_link_gets_a_vlan_that_both_ends_are_told(user: User, pair: Sequence[Resource]) -> None:
    made = book(request(user, *named(*pair)), now=NOW)
    for lease in made.leases.all():
        walk_lease(lease, Status.ACTIVE)
    orders = {
        order.target.name: order for order in lease_orders(made.leases.values_list("pk", flat=True)).values()
    }
    (here,), (there,) = orders["Switch 1"].links, orders["One"].links
    assert (here.port, here.peer_name, here.peer_port, here.vlan) == ("1", "One", "eth0", 200)
    assert (there.port, there.peer_name, there.peer_port, there.vlan) == ("eth0", "Switch 1", "1", 200)
    assert here.peer == orders["One"].target.resource_id


def test_a_bare_cable_and_a_booking_without_the_wish_get_none(user: User, site: Site) -> None:
    s1, (one, _) = switch(site), host(site, "One")
    bare = cable(s1, "1", one, "eth0")
    assert vlans(book(request(user, *named(s1, one)), now=NOW)) == [None]
    bare.a_sets_vlan = True
    bare.save()
    later = request(user, *named(s1, one), ties=frozenset(), starts_at=START + timedelta(hours=3))
    assert vlans(book(later, now=NOW)) == [None]
    assert not VlanAllotment.objects.exists()


def test_each_reservation_has_its_own_vlan_and_the_pool_can_be_used_up(user: User, site: Site) -> None:
    pairs = []
    for number in range(3):
        s, (one, _) = switch(site, f"Switch {number}"), host(site, f"Host {number}")
        cable(s, "1", one, "eth0", b_sets_vlan=True)
        pairs.append((s, one))
    first, second = (book(request(user, *named(*each)), now=NOW) for each in pairs[:2])
    assert (vlans(first), vlans(second)) == ([200], [201])
    refusal = refused(request(user, *named(*pairs[2])))
    assert refusal.refusals[0].reason == "no_vlan"
    assert "all 2 of Torino are allotted" in refusal.message
    cancel(reservation_id=first.pk, actor=user, now=NOW)
    assert vlans(book(request(user, *named(*pairs[2])), now=NOW)) == [200]


def test_a_site_without_a_pool_says_so(user: User, site: Site, pair: Sequence[Resource]) -> None:
    Site.objects.update(vlan_pool="")
    refusal = refused(request(user, *named(*pair)))
    assert refusal.never
    assert "Torino has no pool of VLANs" in refusal.message


def test_a_vlan_is_kept_when_the_window_changes_and_freed_when_all_is_over(
    user: User, pair: Sequence[Resource]
) -> None:
    made = book(request(user, *named(*pair)), now=NOW)
    extend(reservation_id=made.pk, ends_at=START + timedelta(hours=3), actor=user, now=NOW)
    held = VlanAllotment.objects.get()
    assert (held.vlan, held.occupies.upper) == (200, START + timedelta(hours=3, seconds=60))
    day = timedelta(days=1)
    move_window(reservation_id=made.pk, starts_at=START + day, ends_at=START + 2 * day, actor=user, now=NOW)
    held = VlanAllotment.objects.get()
    assert (held.vlan, held.occupies.lower) == (200, START + day - timedelta(seconds=60))
    first, second = made.leases.all()
    walk_lease(first, Status.RELEASED)
    assert VlanAllotment.objects.get().holding, "the other device may still have it"
    move(lease_id=second.pk, source=Status.SCHEDULED, to=Status.CANCELLED, now=NOW)
    assert not VlanAllotment.objects.get().holding


def test_a_lease_that_runs_is_not_given_another_vlan(user: User, site: Site, pair: Sequence[Resource]) -> None:
    made = book(request(user, *named(*pair)), now=NOW)
    for lease in made.leases.all():
        walk_lease(lease, Status.ACTIVE)
    s2, (other, _) = switch(site, "Switch 2"), host(site, "Other")
    cable(s2, "1", other, "eth0", a_sets_vlan=True)
    later = book(request(user, *named(s2, other), starts_at=START + timedelta(hours=2)), now=NOW)
    assert vlans(later) == [200]
    with pytest.raises(CannotBook, match="promised to somebody else"):
        extend(reservation_id=made.pk, ends_at=START + timedelta(hours=4), actor=user, now=START)
    assert vlans(made) == [200]
    assert Lease.objects.filter(reservation=made, ends_at=START + timedelta(hours=1)).count() == 2


def test_a_link_between_sites_has_a_vlan_of_both_pools(user: User, site: Site) -> None:
    far = make_site("osaka", name="Osaka", vlan_pool="100, 201-300")
    one, other = switch(site), switch(far, "Switch O")
    cable(one, "9", other, "9", between_sites=True, a_sets_vlan=True)
    made = book(request(user, *named(one, other)), now=NOW)
    assert vlans(made) == [201]
    assert VlanAllotment.objects.filter(reservation=made, vlan=201, holding=True).count() == 2


def test_the_database_gives_a_vlan_of_a_site_once_at_a_time(
    user: User, site: Site, pair: Sequence[Resource]
) -> None:
    made = book(request(user, *named(*pair)), now=NOW)
    held = VlanAllotment.objects.get()
    with pytest.raises(IntegrityError, match="vlan_once_at_a_time"), transaction.atomic():
        VlanAllotment.objects.create(reservation=made, site=site, vlan=200, occupies=held.occupies)
    VlanAllotment.objects.create(reservation=made, site=site, vlan=201, occupies=held.occupies)


@pytest.mark.django_db(transaction=True)
def test_many_at_once_never_get_the_same_vlan() -> None:
    user = make_user(projects=[make_project("quantum")])
    site = make_site("torino", vlan_pool="200-203")
    wanted = []
    for number in range(6):
        s, (one, _) = switch(site, f"Switch {number}"), host(site, f"Host {number}")
        cable(s, "1", one, "eth0", a_sets_vlan=True)
        wanted.append(request(user, *named(s, one)))
    begin = threading.Barrier(len(wanted), timeout=30)
    refusals: list[str] = []

    def try_to_book(each: Request) -> None:
        try:
            begin.wait()
            book(each, now=NOW)
        except CannotBook as refusal:
            refusals.append(refusal.refusals[0].reason)
        finally:
            connection.close()

    threads = [threading.Thread(target=try_to_book, args=[each]) for each in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(VlanAllotment.objects.values_list("vlan", flat=True)) == [200, 201, 202, 203]
    assert refusals == ["no_vlan", "no_vlan"]
