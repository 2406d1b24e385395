"""The files of a lease are tried before its start, and its holder is told at once when they would fail."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.utils import timezone

from accounts.models import Project, User
from adapters.contract import Artefact as GivenFile
from adapters.contract import Check
from adapters.contract import Rehearsal as Outcome
from adapters.contract.wire import Failure, Order, Report, new_key, unseal
from adapters.emulators.p4runtime import example
from reservations.errors import IllegalMove, Invalid, NotAllowed, NotFound
from reservations.models import Artefact, Build, Lease, OutgoingMail, Rehearsal
from reservations.policy import ERRAND_AGAIN_AFTER, ERRAND_MOST_ATTEMPTS
from reservations.services.artefacts import accept_artefact, ask_for_build, replace_files
from reservations.services.asks import Ask
from reservations.services.booking import Request, book
from reservations.services.engine.builds import send_builds
from reservations.services.engine.orders import hub_key
from reservations.services.engine.rehearsals import plan_missing, send_rehearsals
from reservations.services.engine.reports import take_report
from reservations.services.engine.tick import tick
from reservations.services.moving import move_elsewhere
from reservations.states import Status
from resources.models import Resource, Site
from tests.factories import book_lease, make_project, make_resource, make_site, make_user, next_hour, walk_lease
from tests.reservations.services.engine.test_discovery import use_broker

pytestmark = pytest.mark.django_db

P4INFO, PROGRAM = example.P4INFO.read_bytes(), example.DEVICE_CONFIG.read_bytes()
NOW = timezone.now()
PASSED = Outcome(
    passed=True,
    steps=(Check(name="push", expected="taken", found="taken", passed=True),),
    stage="an emulated P4Runtime switch",
)
FAILED = Outcome(
    passed=False,
    steps=(Check(name="push", expected="taken", found="no such header “ipv5”", passed=False),),
    stage="an emulated P4Runtime switch",
)


@pytest.fixture
def site(settings: Any) -> Site:
    settings.SHARY_HUB_KEY = new_key()
    return make_site("roma", name="Roma")


@pytest.fixture
def switch(site: Site) -> Resource:
    return make_switch(site)


def make_switch(site: Site) -> Resource:
    return make_resource(
        site,
        kind="p4_switch",
        adapter="p4_switch",
        attributes={"model": "BMv2"},
        settings={"host": "10.0.0.5", "device_id": 1},
    )


@pytest.fixture
def holder() -> User:
    return make_user()


@pytest.fixture
def project(holder: User) -> Project:
    return make_project(members=[holder])


@pytest.fixture
def queue(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Order]]:
    use_broker(broker_url, monkeypatch)

    def read() -> list[Order]:
        with redis.Redis.from_url(broker_url) as client:
            bodies = [json.loads(text)["body"] for text in reversed(client.lrange("site.roma", 0, -1))]
            client.delete("site.roma")
        sealed = [message for body in bodies for message in json.loads(base64.b64decode(body))[0][0]]
        return [unseal(Order, message, key=hub_key().public_key()) for message in sealed]

    read()
    return read


def upload(holder: User, project: Project, name: str = "p4info", content: bytes = P4INFO) -> Artefact:
    filename = {"p4info": "forward.p4info.txtpb", "device_config": "forward.json", "source": "forward.p4"}[name]
    return accept_artefact(
        user=holder, project=project.slug, adapter="p4_switch", name=name, filename=filename, content=content
    )


def ask_for(holder: User, project: Project, **wish: Any) -> Lease:
    files = {
        name: upload(holder, project, name, c).pk
        for name, c in (("p4info", P4INFO), ("device_config", PROGRAM))
    }
    request = Request(
        user=holder,
        project=project.slug,
        starts_at=next_hour(after_h=2),
        ends_at=next_hour(after_h=3),
        asks=[Ask(artefacts=files, **wish)],
    )
    return book(request, now=NOW).leases.get()


@pytest.fixture
def lease(holder: User, project: Project, switch: Resource) -> Lease:
    return ask_for(holder, project, resource=switch.pk)


def answer(rehearsal: Rehearsal, outcome: Outcome | None = None, **facts: Any) -> None:
    values = {
        "site": rehearsal.resource.site.slug,
        "event": "rehearsed",
        "at": NOW,
        "lease_id": str(rehearsal.lease_id),
        "resource_id": str(rehearsal.resource_id),
        "rehearsal": outcome,
        "detail": {"order": str(rehearsal.order)},
    }
    site = facts.pop("by", rehearsal.resource.site)
    take_report(Report(**(values | facts)), site=site, now=NOW)
    rehearsal.refresh_from_db()


def mails(lease: Lease) -> list[str]:
    return [mail.body for mail in OutgoingMail.objects.filter(subject__contains="would fail")]


def test_a_booking_with_files_has_them_tried_at_its_site_long_before_the_start(lease, queue):
    tick(now=NOW)
    (order,) = [order for order in queue() if order.verb == "rehearse"]
    assert order.id == str(lease.rehearsal.order)
    assert order.lease.lease_id == str(lease.pk)
    assert {file.name: file.content for file in order.lease.artefacts} == {
        "p4info": P4INFO,
        "device_config": PROGRAM,
    }
    assert lease.rehearsal.state == "waiting"


def test_it_is_asked_again_until_it_is_answered_and_to_the_site_it_is_the_same_question(lease, queue):
    assert send_rehearsals(now=NOW) == 1
    assert send_rehearsals(now=NOW + ERRAND_AGAIN_AFTER / 2) == 0
    assert send_rehearsals(now=NOW + ERRAND_AGAIN_AFTER) == 1
    assert len({order.id for order in queue()}) == 1
    answer(lease.rehearsal, PASSED)
    assert send_rehearsals(now=NOW + timedelta(hours=5)) == 0


def test_a_site_that_never_answers_is_given_up_in_words(lease, queue):
    for hour in range(ERRAND_MOST_ATTEMPTS + 1):
        send_rehearsals(now=NOW + timedelta(hours=2 * hour))
    lease.rehearsal.refresh_from_db()
    assert (lease.rehearsal.state, lease.rehearsal.next_try_at) == ("impossible", None)
    assert "has not answered" in lease.rehearsal.detail
    answer(lease.rehearsal, PASSED)
    assert lease.rehearsal.state == "passed", "an answer that comes late is an answer"


def test_without_a_broker_nothing_is_lost(lease, monkeypatch):
    use_broker("redis://127.0.0.1:1/0", monkeypatch)
    assert send_rehearsals(now=NOW) == 0
    lease.rehearsal.refresh_from_db()
    assert lease.rehearsal.attempts == 0


def test_what_passed_is_kept_and_nobody_is_bothered(lease):
    version = lease.reservation.version
    answer(lease.rehearsal, PASSED)
    assert lease.rehearsal.state == "passed"
    assert lease.rehearsal.steps[0]["found"] == "taken"
    assert lease.rehearsal.stage == "an emulated P4Runtime switch"
    lease.reservation.refresh_from_db()
    assert lease.reservation.version > version, "pages that show it look again"
    assert mails(lease) == []


def test_the_holder_is_told_at_once_and_once_what_went_wrong(lease):
    answer(lease.rehearsal, FAILED)
    answer(lease.rehearsal, FAILED)
    (body,) = mails(lease)
    assert "push: no such header “ipv5”" in body
    assert "give better files" in body


def test_better_files_are_tried_and_answers_about_the_older_ones_change_nothing(lease, holder, project):
    older = Rehearsal.objects.get(lease=lease)
    answer(lease.rehearsal, FAILED)
    better = upload(holder, project, "p4info", P4INFO + b"\n# mended\n")
    replace_files(lease_id=lease.pk, files={"p4info": better.pk}, actor=holder, now=NOW)
    lease.rehearsal.refresh_from_db()
    assert (lease.rehearsal.state, lease.rehearsal.steps) == ("waiting", [])
    assert lease.rehearsal.order != older.order
    assert set(lease.artefacts.values_list("name", "version")) == {("p4info", 2), ("device_config", 1)}
    answer(older, FAILED, detail={"order": str(older.order)})
    lease.rehearsal.refresh_from_db()
    assert lease.rehearsal.state == "waiting"
    answer(lease.rehearsal, PASSED)
    assert lease.rehearsal.state == "passed"
    assert len(mails(lease)) == 1


def test_files_that_do_not_fit_together_are_refused_and_the_others_stay(lease, holder, project):
    program = json.loads(PROGRAM)
    program["pipelines"][0]["tables"] = []
    bad = upload(holder, project, "device_config", json.dumps(program).encode())
    before = lease.rehearsal.order
    with pytest.raises(Invalid, match=r"Forward\.mac"):
        replace_files(lease_id=lease.pk, files={"device_config": bad.pk}, actor=holder, now=NOW)
    lease.rehearsal.refresh_from_db()
    assert lease.rehearsal.order == before
    assert not lease.artefacts.filter(pk=bad.pk).exists()


def test_only_who_may_change_the_lease_gives_it_files_and_only_those_of_its_project(lease, holder, project):
    member, outsider = make_user(projects=[project]), make_user()
    mine = upload(holder, project, "p4info", P4INFO + b"\n# x\n")
    with pytest.raises(NotAllowed):
        replace_files(lease_id=lease.pk, files={"p4info": mine.pk}, actor=member, now=NOW)
    with pytest.raises(NotFound):
        replace_files(lease_id=lease.pk, files={"p4info": mine.pk}, actor=outsider, now=NOW)
    elsewhere = make_project(members=[holder])
    foreign = upload(holder, elsewhere, "p4info", P4INFO + b"\n# y\n")
    for files in ({"p4info": foreign.pk}, {"device_config": mine.pk}, {"p4info": uuid4()}, {}):
        with pytest.raises(Invalid):
            replace_files(lease_id=lease.pk, files=files, actor=holder, now=NOW)
    assert lease.artefacts.get(name="p4info").sha256 != mine.sha256


def test_a_lease_that_has_started_keeps_its_files(lease, holder, project):
    better = upload(holder, project, "p4info", P4INFO + b"\n# late\n")
    walk_lease(lease, Status.PROVISIONING, first=Status.SCHEDULED)
    with pytest.raises(IllegalMove, match="started"):
        replace_files(lease_id=lease.pk, files={"p4info": better.pk}, actor=holder, now=NOW)
    send_rehearsals(now=NOW)
    lease.rehearsal.refresh_from_db()
    assert lease.rehearsal.state == "impossible"
    answer(lease.rehearsal, FAILED)
    assert mails(lease) == [], "there is nothing to be done about it any more"


def test_another_device_is_another_trial(holder, project, switch, site):
    lease = ask_for(holder, project, kind="p4_switch")
    order = lease.rehearsal.order
    other = make_switch(site)
    Resource.objects.filter(pk=switch.pk).update(in_service=False)
    assert move_elsewhere(
        Lease.objects.select_related("resource__site", "reservation__holder").get(pk=lease.pk), now=NOW
    )
    lease.rehearsal.refresh_from_db()
    assert lease.rehearsal.resource == other
    assert lease.rehearsal.order != order


def test_what_was_booked_before_is_planned_later(holder, project, switch):
    lease = book_lease(switch, holder=holder, project=project)
    lease.artefacts.add(upload(holder, project))
    card = book_lease(make_resource(switch.site))
    plan_missing(now=NOW)
    assert Rehearsal.objects.get().lease == lease
    before = Rehearsal.objects.get().order
    plan_missing(now=NOW)
    assert Rehearsal.objects.get().order == before
    assert not Rehearsal.objects.filter(lease=card).exists()


def test_a_site_that_cannot_try_says_why(lease):
    failure = Failure(
        error="DeviceRefused", remedy="stop", verb="rehearse", message="There is nothing to try on."
    )
    answer(lease.rehearsal, None, failure=failure)
    assert lease.rehearsal.state == "impossible"
    assert "nothing to try on" in lease.rehearsal.detail
    assert mails(lease) == []


@pytest.mark.parametrize("order", ["", "nonsense", "2b0d9f8e-7c0e-4c52-9a50-0d1f6f3a7e11"])
def test_reports_of_nothing_known_are_dropped(lease, order):
    answer(lease.rehearsal, FAILED, detail={"order": order})
    assert lease.rehearsal.state == "waiting"


def test_no_site_speaks_of_anothers_trial(lease):
    answer(lease.rehearsal, FAILED, by=make_site())
    assert lease.rehearsal.state == "waiting"


# Building from source


@pytest.fixture
def build(holder: User, project: Project, switch: Resource) -> Build:
    source = upload(holder, project, "source", b"#include <core.p4>\n")
    return ask_for_build(source_id=source.pk, resource_id=switch.pk, actor=holder, now=NOW)


def built(build: Build, *files: GivenFile, **facts: Any) -> None:
    values = {"site": "roma", "event": "built", "at": NOW, "files": files, "detail": {"order": str(build.pk)}}
    take_report(Report(**(values | facts)), site=build.resource.site, now=NOW)
    build.refresh_from_db()


def made(name: str, filename: str, content: bytes) -> GivenFile:
    return GivenFile(name=name, filename=filename, sha256="", content=content)


MADE = (
    made("p4info", "forward.p4info.txtpb", P4INFO),
    made("device_config", "forward.json", PROGRAM),
    made("build_log", "p4c 1.2.4.9", b"warning: unused"),
)


def test_source_is_sent_to_the_site_of_the_device(build, queue):
    assert send_builds(now=NOW) == 1
    assert send_builds(now=NOW) == 0
    (order,) = queue()
    assert (order.verb, order.id) == ("build", str(build.pk))
    assert order.targets[0].resource_id == str(build.resource_id)
    assert order.files[0].content == b"#include <core.p4>\n"


def test_what_was_made_are_new_versions_that_say_where_they_come_from(build, project):
    built(build, *MADE)
    built(build, *MADE)
    assert (build.state, build.detail) == ("done", "warning: unused")
    files = {file.name: file for file in build.made.all()}
    assert set(files) == {"p4info", "device_config"}
    assert bytes(files["device_config"].content) == PROGRAM
    assert files["p4info"].provenance == "Compiled from forward.p4, version 1, by p4c 1.2.4.9 at Roma"
    assert Artefact.objects.filter(project=project).count() == 3


def test_a_refusal_is_shown_in_the_compilers_words(build):
    failure = Failure(error="DeviceRefused", remedy="stop", verb="build", message="forward.p4(7): error")
    built(build, failure=failure)
    assert (build.state, build.detail) == ("failed", "forward.p4(7): error")
    assert build.next_try_at is None


def test_what_a_site_sends_is_believed_no_further_than_an_upload(build):
    built(build, made("p4info", "x", b"nonsense {"), MADE[1])
    assert build.state == "failed"
    assert "P4Info" in build.detail
    assert not build.made.exists()


def test_a_build_is_for_members_of_source_and_for_a_device_that_takes_it(build, holder, project, switch):
    assert ask_for_build(source_id=build.source_id, resource_id=switch.pk, actor=holder, now=NOW) == build
    with pytest.raises(NotFound):
        ask_for_build(source_id=build.source_id, resource_id=switch.pk, actor=make_user(), now=NOW)
    with pytest.raises(Invalid, match="driven by"):
        card = make_resource(switch.site)
        ask_for_build(source_id=build.source_id, resource_id=card.pk, actor=holder, now=NOW)
    with pytest.raises(Invalid, match="no source"):
        ask_for_build(source_id=upload(holder, project).pk, resource_id=switch.pk, actor=holder, now=NOW)
