"""Asking a site what it has: once at a time, until it answers or is given up, whatever comes when."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from adapters.contract.wire import Failure, Report
from resources.errors import CannotAsk, NotTheirSite
from resources.findings import devices_of, latest_questions, open_counts, say_failure
from resources.models import Discovery, Site
from resources.services.discovery import (
    ASK_EVERY,
    KEEP,
    PATIENCE,
    SILENT,
    ask_about,
    ask_all,
    ask_behind,
    ask_what_is_due,
    forget_old,
    give_up_unanswered,
    take_answer,
)
from tests.factories import make_resource, make_site, make_superuser, make_user
from tests.resources.sites import LXD, answer, answering, found_card, found_host, make_asked_site, make_host

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def site() -> Site:
    return make_asked_site("roma", name="Roma")


def test_an_operator_asks_about_a_device_and_the_answer_is_kept(site: Site) -> None:
    host = make_host(site)
    discovery = ask_about(resource=host, actor=make_user("op", operates=[site]), now=NOW)
    assert discovery.is_waiting
    assert (discovery.asked_by.username, discovery.adapter) == ("op", "gpu_lxd")  # type: ignore[union-attr]
    answered = answer(discovery, found_host(found_card()), at=NOW + timedelta(seconds=4))
    assert answered is not None
    assert not answered.is_waiting
    assert devices_of(answered) == (found_host(found_card()),)


def test_a_question_that_is_open_is_not_asked_twice(site: Site) -> None:
    host = make_host(site)
    first = ask_about(resource=host, actor=None, now=NOW)
    assert ask_about(resource=host, actor=make_superuser(), now=NOW) == first
    answer(first, at=NOW)
    assert ask_about(resource=host, actor=None, now=NOW) != first


@pytest.mark.parametrize(
    ("who", "allowed"), [("operator", True), ("manager", True), ("other", False), ("nobody", False)]
)
def test_only_operators_of_the_site_ask(site: Site, who: str, allowed: bool) -> None:
    host = make_host(site)
    actor = {
        "operator": lambda: make_user(operates=[site]),
        "manager": make_superuser,
        "other": lambda: make_user(operates=[make_site()]),
        "nobody": make_user,
    }[who]()
    asks: list[Any] = [
        lambda: ask_about(resource=host, actor=actor, now=NOW),
        lambda: ask_all(site=site, actor=actor, now=NOW),
        lambda: ask_behind(site=site, adapter="gpu_lxd", settings={**LXD, "image": "x"}, actor=actor, now=NOW),
    ]
    for ask in asks:
        if allowed:
            assert ask()
        else:
            with pytest.raises(NotTheirSite, match="Only an operator of Roma"):
                ask()
    assert Discovery.objects.exists() is allowed


def test_a_part_is_found_with_its_whole(site: Site) -> None:
    host = make_host(site)
    with pytest.raises(CannotAsk, match="look for devices on its whole"):
        ask_about(resource=host.parts.get(), actor=None, now=NOW)


def test_a_site_without_a_key_could_not_be_believed() -> None:
    with pytest.raises(CannotAsk, match="no public key"):
        ask_about(resource=make_host(make_site()), actor=None, now=NOW)


def test_settings_that_cannot_work_are_refused_by_field(site: Site) -> None:
    with pytest.raises(CannotAsk) as refusal:
        ask_behind(site=site, adapter="gpu_lxd", settings={"endpoint": "gpu1"}, actor=make_superuser(), now=NOW)
    assert {"endpoint", "image", "key_secret"} <= set(refusal.value.errors)
    assert not Discovery.objects.exists()


def test_typed_settings_of_a_device_that_is_listed_ask_about_that_device(site: Site) -> None:
    host = make_host(site)
    actor = make_superuser()
    assert ask_behind(site=site, adapter="gpu_lxd", settings=LXD, actor=actor, now=NOW).resource == host
    other = {**LXD, "endpoint": "https://gpu2.uni-a.example:8443"}
    assert ask_behind(site=site, adapter="gpu_lxd", settings=other, actor=actor, now=NOW).resource is None


def test_each_whole_device_is_asked_about_once_a_day_and_parts_and_others_never(site: Site) -> None:
    host = make_host(site)
    make_resource(site, name="Unknown tool", adapter="abacus")
    make_resource(site, name="Retired", in_service=False)
    make_host(make_site(), "Of a site without a key")
    for later in (timedelta(), timedelta(hours=1)):
        ask_what_is_due(now=NOW + later)
    assert [each.resource for each in Discovery.objects.all()] == [host]
    answer(Discovery.objects.get(), at=NOW)
    ask_what_is_due(now=NOW + ASK_EVERY + timedelta(seconds=1))
    assert Discovery.objects.filter(resource=host, asked_by=None).count() == 2


def test_a_large_site_is_asked_a_little_at_a_time(site: Site) -> None:
    for number in range(5):
        make_host(site, f"Host {number}", cards=())
    assert [ask_what_is_due(now=NOW) for _ in range(4)] == [2, 2, 1, 0]


def test_an_answer_repeated_late_or_to_nobodys_question_changes_nothing(site: Site) -> None:
    discovery = ask_about(resource=make_host(site), actor=None, now=NOW)
    report = answering(discovery, found_host(found_card()), at=NOW)
    assert take_answer(report, site=site, now=NOW) is not None
    for later in range(10):
        moment = NOW + timedelta(minutes=later)
        assert take_answer(answering(discovery, at=moment), site=site, now=moment) is None
    discovery.refresh_from_db()
    assert devices_of(discovery) == (found_host(found_card()),)
    for order in (str(uuid4()), "nonsense", None):
        stray = Report(site=site.slug, event="discovered", at=NOW, detail={"order": order})
        assert take_answer(stray, site=site, now=NOW) is None


def test_a_site_cannot_answer_for_another(site: Site) -> None:
    discovery = ask_about(resource=make_host(site), actor=None, now=NOW)
    report = answering(discovery, found_host(), at=NOW)
    assert take_answer(report, site=make_site(), now=NOW) is None
    assert Discovery.objects.get().is_waiting


def test_a_question_without_an_answer_is_given_up_in_words_and_an_answer_after_that_still_counts(
    site: Site,
) -> None:
    discovery = ask_about(resource=make_host(site), actor=None, now=NOW)
    assert give_up_unanswered(now=NOW + PATIENCE - timedelta(seconds=1)) == 0
    late = NOW + PATIENCE
    assert give_up_unanswered(now=late) == 1
    discovery.refresh_from_db()
    assert (discovery.is_waiting, discovery.error) == (False, SILENT)
    assert "Look whether its worker runs" in say_failure(discovery, now=late)
    assert answer(discovery, found_host(found_card()), at=late) is not None
    discovery.refresh_from_db()
    assert (discovery.error, len(discovery.devices)) == ("", 1)


@pytest.mark.parametrize(
    ("error", "message", "says"),
    [
        ("InvalidSettings", "The site has no secret “lxd.key”.", "Enter the secret in the worker's site.toml"),
        ("InvalidSettings", "endpoint: no address", "Mend the settings of Host 1"),
        ("DeviceUnreachable", "No route to host.", "the address, the cable and the firewall"),
        ("DeviceRefused", "not trusted", "the account that the worker uses"),
        ("DeviceBusy", "in use", "when the lease on it is over"),
        ("OutcomeUnknown", "no answer", "nothing was changed"),
    ],
)
def test_a_failed_answer_says_what_to_do(site: Site, error: Any, message: str, says: str) -> None:
    discovery = ask_about(resource=make_host(site), actor=None, now=NOW)
    failure = Failure(error=error, remedy="stop", verb="discover", message=message)
    failed = answer(discovery, at=NOW, failure=failure)
    assert failed is not None
    assert says in say_failure(failed, now=NOW)
    assert open_counts([site.pk], now=NOW) == {}, "what failed says nothing of what is there"


def test_the_last_question_about_each_device_is_shown(site: Site) -> None:
    host, other = make_host(site), make_host(site, "Host 2", cards=())
    for hours in range(3):
        moment = NOW + timedelta(hours=hours)
        for resource in (host, other):
            answer(ask_about(resource=resource, actor=None, now=moment), at=moment)
    latest = latest_questions([site.pk])
    assert {each.resource_id for each in latest} == {host.pk, other.pk}
    assert {each.asked_at for each in latest} == {NOW + timedelta(hours=2)}


def test_old_answers_are_forgotten_but_the_newest_is_kept(site: Site) -> None:
    host = make_host(site)
    for moment in (NOW - 2 * KEEP, NOW - KEEP - timedelta(days=1)):
        answer(ask_about(resource=host, actor=None, now=moment), at=moment)
    forget_old(now=NOW)
    assert Discovery.objects.get().asked_at == NOW - KEEP - timedelta(days=1)
