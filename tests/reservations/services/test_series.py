"""Series: each occurrence is shown before it is booked, then all of them are, or none."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Project, User
from reservations.errors import Invalid, NotAllowed, NotFound, SeriesClash
from reservations.models import Lease, Reservation, Series
from reservations.services.asks import Ask
from reservations.services.changes import cancel
from reservations.services.occurrences import Otherwise, Wanted
from reservations.services.patterns import MOST_OCCURRENCES, Pattern, checked_pattern
from reservations.services.series import (
    SeriesRequest,
    book_series,
    cancel_rest,
    change_series,
    preview_change,
    preview_series,
)
from reservations.states import Status
from resources.models import Resource
from tests.factories import book_lease, make_project, make_resource, make_site, make_user, walk_lease

NOW = datetime(2030, 3, 1, 9, tzinfo=UTC)
MONDAY = date(2030, 3, 4)


@pytest.fixture
def project(db: None) -> Project:
    return make_project("course")


@pytest.fixture
def user(project: Project) -> User:
    return make_user(projects=[project])


@pytest.fixture
def card(db: None) -> Resource:
    return make_resource(name="L40S 1", site=make_site("roma", name="Roma"), model="L40S")


def pattern(**fields: Any) -> Pattern:
    given: dict[str, Any] = {
        "every": "week",
        "interval": 1,
        "weekdays": [0],
        "first_on": MONDAY,
        "last_on": None,
        "times": None,
        "start": time(14),
        "end": time(16),
        "nights": 0,
        "zone": "Europe/Rome",
    }
    if not fields.keys() & {"last_on", "times"}:
        given["times"] = 5
    return checked_pattern(**(given | fields))


def request(
    user: User,
    *asks: Ask,
    otherwise: tuple[Otherwise, ...] = (),
    same: bool = True,
    skip: bool = False,
    **when: Any,
) -> SeriesRequest:
    wanted = Wanted(
        pattern=pattern(**when),
        asks=asks,
        same_devices=same,
        otherwise={each.on: each for each in otherwise},
    )
    return SeriesRequest(user=user, project="course", wanted=wanted, purpose=" Labs ", skip_clashes=skip)


def outlooks(planned: Any) -> list[str]:
    return [each.outlook.value for each in planned]


def at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), UTC)


def test_each_occurrence_is_a_reservation_at_the_same_wall_time(user: User, card: Resource) -> None:
    made = book_series(request(user, Ask(resource=card.pk)), now=NOW)
    found = list(Reservation.objects.filter(series=made.series).order_by("starts_at"))
    assert [each.occurrence_on for each in found] == [MONDAY + timedelta(weeks=n) for n in range(5)]
    # The clocks go forward on 31 March.
    assert [each.starts_at.hour for each in found] == [13, 13, 13, 13, 12]
    assert {each.purpose for each in found} == {"Labs"}
    assert {lease.status for lease in Lease.objects.all()} == {Status.SCHEDULED}


def test_a_preview_shows_what_is_in_the_way_until_when_and_what_would_work(user: User, card: Resource) -> None:
    twin = make_resource(name="L40S 2", site=card.site)
    second = MONDAY + timedelta(weeks=1)
    book_lease(card, starts_at=at(second, 13), hours=3)
    planned = preview_series(request(user, Ask(resource=card.pk)), now=NOW)
    assert outlooks(planned) == ["free", "conflict", "free", "free", "free"]
    blocked = planned[1]
    (refusal,) = blocked.refusals
    assert (refusal.reason, refusal.resource) == ("taken", card.pk)
    assert refusal.until is not None
    assert refusal.until >= at(second, 16)
    assert [one.pk for _, one in blocked.others] == [twin.pk]
    assert all(window.starts_at.date() == second for window in blocked.alternatives)
    assert not Reservation.objects.filter(project__slug="course").exists(), "a preview books nothing"


def test_a_conflict_books_nothing_and_says_how_each_occurrence_stands(user: User, card: Resource) -> None:
    book_lease(card, starts_at=at(MONDAY, 13), hours=1)
    with pytest.raises(SeriesClash, match="1 of 5 occurrences cannot be booked") as caught:
        book_series(request(user, Ask(resource=card.pk)), now=NOW)
    assert outlooks(caught.value.occurrences) == ["conflict", *["free"] * 4]
    assert not Series.objects.exists()
    assert Reservation.objects.count() == 1


def test_a_person_decides_for_each_day(user: User, card: Resource) -> None:
    twin = make_resource(name="L40S 2", site=card.site)
    days = [MONDAY + timedelta(weeks=n) for n in range(3)]
    for day in days:
        book_lease(card, starts_at=at(day, 13), hours=2)
    decided = (
        Otherwise(on=days[0], skip=True),
        Otherwise(on=days[1], starts_at=at(days[1], 17), ends_at=at(days[1], 18)),
        Otherwise(on=days[2], devices={0: twin.pk}),
    )
    made = book_series(request(user, Ask(resource=card.pk), otherwise=decided), now=NOW)
    leases = {each.reservation.occurrence_on: each for each in Lease.objects.filter(reservation__holder=user)}
    assert set(leases) == {MONDAY + timedelta(weeks=n) for n in range(1, 5)}
    assert leases[days[1]].starts_at == at(days[1], 17)
    assert leases[days[2]].resource_id == twin.pk
    kinds = {each.on: each.kind for each in made.series.exceptions.all()}
    assert kinds == {days[0]: "skipped", days[1]: "moved", days[2]: "devices"}


def test_what_clashes_can_be_left_out_and_is_noted(user: User, card: Resource) -> None:
    book_lease(card, starts_at=at(MONDAY, 13), hours=1)
    made = book_series(request(user, Ask(resource=card.pk), skip=True), now=NOW)
    assert made.series.reservations.count() == 4
    (exception,) = made.series.exceptions.all()
    assert exception.on == MONDAY
    assert "is taken until" in exception.reason


def test_a_wish_has_the_same_devices_each_time_where_it_can(user: User, card: Resource) -> None:
    other = make_resource(name="A first by key", site=card.site)
    first, second = sorted([card, other], key=lambda one: str(one.pk))
    book_lease(first, starts_at=at(MONDAY + timedelta(weeks=2), 12), hours=4)
    planned = preview_series(request(user, Ask(kind="gpu")), now=NOW)
    assert outlooks(planned) == ["free"] * 5
    assert {one.pk for each in planned for _, one in each.devices} == {second.pk}
    book_lease(second, starts_at=at(MONDAY, 12), hours=4)
    planned = preview_series(request(user, Ask(kind="gpu")), now=NOW)
    assert outlooks(planned) == ["free"] * 5
    assert sum(each.is_usual for each in planned) == 4


def test_a_wish_that_took_a_device_can_be_given_another_one_later(user: User, card: Resource) -> None:
    book_series(request(user, Ask(kind="gpu")), now=NOW)
    assert all(lease.wish is not None for lease in Lease.objects.all())


def test_occurrences_that_overlap_each_other_are_a_conflict(user: User, card: Resource) -> None:
    days_long = {"every": "day", "weekdays": [], "start": time(8), "end": time(9), "nights": 1, "times": 3}
    planned = preview_series(request(user, Ask(resource=card.pk), **days_long), now=NOW)
    assert outlooks(planned) == ["free", "conflict", "free"]


def test_limits_count_the_occurrences_before(user: User, project: Project, card: Resource) -> None:
    project.most_open_reservations = 3
    project.save()
    planned = preview_series(request(user, Ask(resource=card.pk)), now=NOW)
    assert outlooks(planned) == ["free"] * 3 + ["limit"] * 2
    assert "allows 3 unfinished reservations and there are 3" in planned[3].refusals[0].message


def test_the_look_ahead_of_a_site_is_said_as_such(user: User, card: Resource) -> None:
    card.site.look_ahead = timedelta(days=20)
    card.site.save()
    planned = preview_series(request(user, Ask(resource=card.pk)), now=NOW)
    assert outlooks(planned) == ["free"] * 3 + ["too_far"] * 2


def test_an_occurrence_in_the_gap_of_the_clocks_is_said_to_be_impossible(user: User, card: Resource) -> None:
    times = {"start": time(2, 10), "end": time(2, 50), "weekdays": [6], "times": 5}
    planned = preview_series(request(user, Ask(resource=card.pk), **times), now=NOW)
    assert outlooks(planned) == [*["free"] * 3, "impossible", "free"]
    assert "02:10 does not exist that day" in planned[3].note


def test_a_night_over_the_change_is_noted(user: User, card: Resource) -> None:
    nights = {"start": time(22), "end": time(6), "nights": 1, "weekdays": [5]}
    planned = preview_series(request(user, Ask(resource=card.pk), **nights), now=NOW)
    assert [each.note for each in planned] == [
        *[""] * 3,
        "The clocks change in it: it is 1 h shorter than usual.",
        "",
    ]


def test_a_first_occurrence_that_is_over_is_left_out(user: User, card: Resource) -> None:
    later = at(MONDAY, 14)
    made = book_series(request(user, Ask(resource=card.pk)), now=later)
    assert outlooks(made.occurrences) == ["past", *["free"] * 4]


def test_statements_are_as_many_for_one_occurrence_as_for_fifty(user: User, card: Resource) -> None:
    make_resource(name="L40S 2", site=card.site)
    book_lease(card, starts_at=at(MONDAY, 13), hours=1)
    counts = []
    for times in (2, 50):
        asked = request(user, Ask(resource=card.pk), Ask(kind="gpu"), times=times)
        with CaptureQueriesContext(connection) as caught:
            planned = preview_series(asked, now=NOW)
        assert len(planned) == times
        counts.append(len(caught))
    assert counts[0] == counts[1]
    assert counts[0] < 20


def test_changing_the_rest_leaves_what_stays_the_same_and_what_has_started(user: User, card: Resource) -> None:
    made = book_series(request(user, Ask(resource=card.pk)), now=NOW)
    first, *rest = Reservation.objects.filter(series=made.series).order_by("starts_at")
    walk_lease(first.leases.get(), Status.ACTIVE)
    now = at(MONDAY, 14)
    longer = request(user, Ask(resource=card.pk), times=7)
    assert outlooks(preview_change(series_id=made.series.pk, request=longer, now=now)) == [
        "past",
        *["kept"] * 4,
        *["free"] * 2,
    ]
    change_series(series_id=made.series.pk, request=longer, now=now)
    assert Reservation.objects.filter(series=made.series).count() == 7
    assert {each.pk for each in rest} <= {each.pk for each in made.series.reservations.all()}
    later = request(user, Ask(resource=card.pk), times=7, start=time(15), end=time(17))
    change_series(series_id=made.series.pk, request=later, now=now)
    live = Lease.objects.filter(reservation__series=made.series, status=Status.SCHEDULED)
    assert live.count() == 6
    assert {each.starts_at.hour for each in live} == {13, 14}
    assert Lease.objects.get(reservation=first).status == Status.ACTIVE
    assert Lease.objects.filter(status=Status.CANCELLED).count() == 6


def test_a_change_that_clashes_leaves_all_as_it_was(user: User, card: Resource) -> None:
    made = book_series(request(user, Ask(resource=card.pk)), now=NOW)
    book_lease(card, starts_at=at(MONDAY, 16), hours=1)
    with pytest.raises(SeriesClash):
        change_series(
            series_id=made.series.pk,
            request=request(user, Ask(resource=card.pk), start=time(16), end=time(18)),
            now=NOW,
        )
    assert made.series.reservations.filter(leases__status=Status.SCHEDULED).count() == 5
    assert Series.objects.get().start == time(14)


def test_one_that_was_given_up_stays_given_up_when_the_series_goes_on(user: User, card: Resource) -> None:
    made = book_series(request(user, Ask(resource=card.pk)), now=NOW)
    second = made.series.reservations.get(occurrence_on=MONDAY + timedelta(weeks=1))
    cancel(reservation_id=second.pk, actor=user, now=NOW)
    longer = request(user, Ask(resource=card.pk), times=6)
    assert outlooks(preview_change(series_id=made.series.pk, request=longer, now=NOW)) == [
        "kept",
        "skipped",
        *["kept"] * 3,
        "free",
    ]


def test_the_rest_can_be_given_up_from_a_day_on(user: User, card: Resource) -> None:
    made = book_series(request(user, Ask(resource=card.pk)), now=NOW)
    third = MONDAY + timedelta(weeks=2)
    assert cancel_rest(series_id=made.series.pk, actor=user, now=NOW, from_on=third) == 3
    left = made.series.reservations.filter(leases__status=Status.SCHEDULED).order_by("starts_at")
    assert [each.occurrence_on for each in left] == [MONDAY, MONDAY + timedelta(weeks=1)]
    assert cancel_rest(series_id=made.series.pk, actor=user, now=NOW) == 2


def test_colleagues_see_a_series_and_leaders_change_it(user: User, project: Project, card: Resource) -> None:
    made = book_series(request(user, Ask(resource=card.pk)), now=NOW)
    colleague, leader = make_user(projects=[project]), make_user(leads=[project])
    with pytest.raises(NotAllowed, match="Only its holder"):
        cancel_rest(series_id=made.series.pk, actor=colleague, now=NOW)
    with pytest.raises(NotFound):
        cancel_rest(series_id=made.series.pk, actor=make_user(), now=NOW)
    assert cancel_rest(series_id=made.series.pk, actor=leader, now=NOW) == 5


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"zone": "Europe/Nowhere"}, "zone"),
        ({"zone": "../../etc/passwd"}, "zone"),
        ({"end": time(13)}, "end"),
        ({"times": None, "last_on": None}, "until"),
        ({"last_on": MONDAY - timedelta(days=1)}, "until"),
        ({"last_on": MONDAY + timedelta(weeks=MOST_OCCURRENCES)}, "until"),
        ({"first_on": MONDAY + timedelta(days=1), "last_on": MONDAY + timedelta(days=2)}, "until"),
    ],
)
def test_rules_that_make_no_sense_are_refused(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(Invalid) as caught:
        pattern(**fields)
    assert list(caught.value.errors) == [name]


def test_an_unknown_device_is_a_conflict_and_no_error(user: User) -> None:
    planned = preview_series(request(user, Ask(resource=uuid4())), now=NOW)
    assert outlooks(planned) == ["conflict"] * 5


def test_another_device_for_a_line_that_is_not_there_is_refused(user: User, card: Resource) -> None:
    wrong = Otherwise(on=MONDAY, devices={3: UUID(int=1)})
    with pytest.raises(Invalid):
        preview_series(request(user, Ask(resource=card.pk), otherwise=(wrong,)), now=NOW)
