"""Writing what was found into the inventory: checked, in one transaction, by somebody, once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from adapters.contract import FoundDevice
from resources.errors import InventoryRefusal, NothingToDecide, NotTheirSite
from resources.findings import findings_of, open_counts
from resources.models import Decision, Discovery, Resource, Site
from resources.services.discovery import ask_about, ask_behind
from resources.services.inventory import accept, ignore, show_again
from tests.factories import make_site, make_superuser, make_user
from tests.resources.sites import (
    GPU,
    LXD,
    OTHER,
    answer,
    found_at,
    found_card,
    found_host,
    make_asked_site,
    make_host,
)

pytestmark = pytest.mark.django_db
NOW = timezone.now()
SECOND = found_card("0000:b3:00.0", OTHER)


@pytest.fixture
def site() -> Site:
    return make_asked_site("roma", name="Roma")


@pytest.fixture
def operator(site: Site) -> User:
    return make_user("operator", operates=[site])


def lines(site: Site, *kinds: str) -> dict[str, str]:
    """Return the fingerprints of the open lines, by what they are about."""
    return {
        f"{finding.line.kind} {finding.line.device} {'+'.join(c.name for c in finding.line.changes)}".strip(): (
            finding.line.fingerprint
        )
        for finding in findings_of(site, now=NOW)
        if finding.is_open and (not kinds or finding.line.kind in kinds)
    }


def test_accepting_a_new_host_enters_it_with_its_cards(site: Site, operator: User) -> None:
    discovery = ask_behind(site=site, adapter="gpu_lxd", settings=LXD, actor=operator, now=NOW)
    answer(discovery, found_host(found_card(), SECOND), at=NOW)
    host_line = lines(site)["new gpu1"]
    first_line = lines(site)["new 0000:65:00.0"]
    done = accept(
        discovery_id=discovery.pk,
        fingerprints=[host_line],
        names={host_line: "Rack 1", first_line: "L40S left"},
        actor=operator,
        now=NOW,
    )
    host = Resource.objects.get(name="Rack 1")
    assert host.settings == {**LXD, "cards": ["0000:65:00.0", "0000:b3:00.0"]}
    cards = {card.name: card for card in host.parts.all()}
    assert set(cards) == {"L40S left", "L40S 1"}, "what was not named gets its model and a number"
    assert (cards["L40S left"].serial, cards["L40S left"].settings) == (GPU, {"pci": "0000:65:00.0"})
    assert {decision.by for decision in done} == {operator}
    assert lines(site) == {}
    assert Discovery.objects.get().resource == host, "from now on it is the host that is asked about"


def test_a_part_is_not_accepted_before_its_whole(site: Site, operator: User) -> None:
    discovery = ask_behind(site=site, adapter="gpu_lxd", settings=LXD, actor=operator, now=NOW)
    answer(discovery, found_host(found_card()), at=NOW)
    with pytest.raises(InventoryRefusal, match="accept the whole, and its parts come with it"):
        accept(
            discovery_id=discovery.pk,
            fingerprints=[lines(site)["new 0000:65:00.0"]],
            actor=operator,
            now=NOW,
        )
    assert not Resource.objects.exists()


def test_a_new_card_goes_into_the_host_that_is_there(site: Site, operator: User) -> None:
    host = make_host(site)
    discovery = found_at(host, found_host(found_card(), SECOND), now=NOW)
    accept(discovery_id=discovery.pk, fingerprints=lines(site, "new").values(), actor=operator, now=NOW)
    assert {part.serial for part in host.parts.all()} == {GPU, OTHER}
    assert set(lines(site)) == {"changed Host 1 cards"}, "whether the host lends it is a decision of its own"


def test_a_moved_card_gets_its_new_place_and_the_record_tells_the_old_one(site: Site, operator: User) -> None:
    host = make_host(site)
    discovery = found_at(host, found_host(found_card("0000:b3:00.0")), now=NOW)
    (decision,) = accept(
        discovery_id=discovery.pk, fingerprints=lines(site, "moved").values(), actor=operator, now=NOW
    )
    card = host.parts.get()
    assert (card.settings["pci"], card.attributes["pci"]) == ("0000:b3:00.0", "0000:b3:00.0")
    assert decision.line["before"] == {"attributes.pci": "0000:65:00.0", "settings.pci": "0000:65:00.0"}
    assert decision.line["words"] == "Host 1 L40S 1 has moved from 0000:65:00.0 to 0000:b3:00.0."
    assert (decision.by, decision.at, decision.resource) == (operator, NOW, card)


def test_what_is_missing_is_taken_out_of_service_and_never_deleted(site: Site, operator: User) -> None:
    host = make_host(site, cards=("0000:65:00.0", "0000:b3:00.0"))
    discovery = found_at(host, found_host(found_card()), now=NOW)
    accept(discovery_id=discovery.pk, fingerprints=lines(site, "missing").values(), actor=operator, now=NOW)
    assert dict(host.parts.values_list("name", "in_service")) == {
        "Host 1 L40S 1": True,
        "Host 1 L40S 2": False,
    }
    assert lines(site, "missing") == {}


def test_what_the_adapter_could_not_work_with_is_refused_by_field_and_nothing_is_written(
    site: Site, operator: User
) -> None:
    host = make_host(site)
    strange = FoundDevice(
        name="0000:65:00.0",
        kind="gpu",
        model="NVIDIA L40S",
        serial=GPU,
        attributes={"model": "NVIDIA L40S", "cuda_cores": 18176, "colour": "green"},
        settings={"pci": "0000:65:00.0"},
    )
    discovery = found_at(host, found_host(strange), now=NOW)
    with pytest.raises(InventoryRefusal, match="could not work like that") as refusal:
        accept(discovery_id=discovery.pk, fingerprints=lines(site).values(), actor=operator, now=NOW)
    assert set(refusal.value.errors) == {"attributes.colour"}
    assert "cuda_cores" not in host.parts.get().attributes, "all of them, or none"
    assert not Decision.objects.exists()


def test_settings_that_would_break_a_part_are_refused(site: Site, operator: User) -> None:
    host = make_host(site)
    found = found_host(found_card())
    broken = FoundDevice(
        name=found.name,
        kind=found.kind,
        model=found.model,
        attributes=found.attributes,
        settings={**found.settings, "ssh_ports": "20000-20099"},
        parts=found.parts,
    )
    discovery = found_at(host, broken, now=NOW)
    with pytest.raises(InventoryRefusal, match="leave the ports for ssh empty"):
        accept(discovery_id=discovery.pk, fingerprints=lines(site).values(), actor=operator, now=NOW)


def test_two_devices_cannot_have_one_name(site: Site, operator: User) -> None:
    host = make_host(site)
    discovery = found_at(host, found_host(found_card(), SECOND), now=NOW)
    (line,) = lines(site, "new").values()
    with pytest.raises(InventoryRefusal, match="already"):
        accept(
            discovery_id=discovery.pk,
            fingerprints=[line],
            names={line: "Host 1"},
            actor=operator,
            now=NOW,
        )


def test_a_baseline_is_recorded_by_accepting_it_and_a_changed_one_is_a_line(site: Site, operator: User) -> None:
    host = make_host(site)
    for minutes, watts in enumerate((350.0, 300.0)):
        moment = NOW + timedelta(minutes=minutes)
        discovery = ask_about(resource=host, actor=operator, now=moment)
        answer(discovery, found_host(found_card(baseline={"power_limit_w": watts})), at=moment)
        assert list(lines(site)) == ["changed Host 1 L40S 1 baseline"]
        accept(discovery_id=discovery.pk, fingerprints=lines(site).values(), actor=operator, now=moment)
        assert host.parts.get().settings["baseline"] == {"power_limit_w": watts}
    assert Decision.objects.first().line["before"] == {"settings.baseline": {"power_limit_w": 350.0}}  # type: ignore[union-attr]


def test_an_ignored_line_stays_ignored_until_it_says_something_else(site: Site, operator: User) -> None:
    host = make_host(site)
    for minutes, watts in enumerate((350.0, 350.0, 300.0)):
        moment = NOW + timedelta(minutes=minutes)
        discovery = ask_about(resource=host, actor=None, now=moment)
        answer(discovery, found_host(found_card(baseline={"power_limit_w": watts})), at=moment)
        waiting = lines(site).values()
        if minutes == 0:
            ignore(discovery_id=discovery.pk, fingerprints=waiting, actor=operator, now=moment)
        assert len(lines(site)) == (1 if watts == 300.0 else 0)
    assert open_counts([site.pk], now=NOW) == {site.pk: 1}


def test_what_was_ignored_can_be_shown_again(site: Site, operator: User) -> None:
    discovery = found_at(make_host(site), found_host(), now=NOW)
    before = lines(site)
    ignore(discovery_id=discovery.pk, fingerprints=before.values(), actor=operator, now=NOW)
    assert (lines(site), open_counts([site.pk], now=NOW)) == ({}, {})
    show_again(discovery_id=discovery.pk, fingerprints=before.values(), actor=operator, now=NOW)
    assert lines(site) == before
    assert [decision.verb for decision in Decision.objects.order_by("id")][:1] == ["ignored"]


def test_a_card_from_another_host_is_entered_anew_and_the_old_entry_retires(site: Site, operator: User) -> None:
    old, new = make_host(site, "Old"), make_host(site, "New", cards=())
    discovery = found_at(new, found_host(found_card("0000:b3:00.0")), now=NOW)
    accept(discovery_id=discovery.pk, fingerprints=lines(site, "new").values(), actor=operator, now=NOW)
    assert [(card.serial, card.in_service) for card in old.parts.all()] == [(GPU, False)]
    assert [(card.serial, card.in_service) for card in new.parts.all()] == [(GPU, True)]


@pytest.mark.parametrize("verb", [accept, ignore, show_again])
def test_nobody_decides_for_a_site_that_they_do_not_operate(site: Site, verb: Any) -> None:
    discovery = found_at(make_host(site), found_host(), now=NOW)
    for stranger in (make_user(), make_user(operates=[make_site()])):
        with pytest.raises(NotTheirSite):
            verb(
                discovery_id=discovery.pk,
                fingerprints=lines(site).values(),
                actor=stranger,
                now=NOW,
            )
    assert not Decision.objects.exists()
    assert verb(discovery_id=discovery.pk, fingerprints=lines(site).values(), actor=make_superuser(), now=NOW)


def test_a_line_that_is_gone_cannot_be_decided_and_says_who_was_quicker(site: Site, operator: User) -> None:
    discovery = found_at(make_host(site), found_host(), now=NOW)
    waiting = list(lines(site, "missing").values())
    accept(discovery_id=discovery.pk, fingerprints=waiting, actor=operator, now=NOW)
    with pytest.raises(NothingToDecide, match="operator accepted this already: Host 1 L40S 1 was not seen"):
        accept(discovery_id=discovery.pk, fingerprints=waiting, actor=make_superuser(), now=NOW)
    with pytest.raises(NothingToDecide, match="nothing to decide"):
        accept(discovery_id=discovery.pk, fingerprints=["0" * 64], actor=operator, now=NOW)
    assert Decision.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_operators_who_accept_the_same_line_at_once_one_is_told() -> None:
    site = make_asked_site()
    host = make_host(site)
    discovery = found_at(host, found_host(found_card(), SECOND), now=NOW)
    waiting = list(lines(site, "new").values())
    operators = [make_user(operates=[site]) for _ in range(4)]
    together = Barrier(len(operators))

    def try_it(actor: User) -> str:
        together.wait(10)
        try:
            accept(discovery_id=discovery.pk, fingerprints=waiting, actor=actor, now=NOW)
        except NothingToDecide:
            return "told"
        else:
            return "accepted"
        finally:
            connection.close()

    with ThreadPoolExecutor(len(operators)) as threads:
        ends = sorted(threads.map(try_it, operators))
    assert ends == ["accepted", "told", "told", "told"]
    assert host.parts.count() == 2
    assert Decision.objects.count() == 1
