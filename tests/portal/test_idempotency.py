"""A POST that is sent twice is done once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.models import PersonalToken
from reservations.models import IdempotencyKey, Reservation
from tests.callers import codes, script_of
from tests.factories import book_lease, make_project, make_resource, make_user, next_hour

URL = "/api/v1/reservations/"


def booking(project: Any, resource: Any) -> dict[str, Any]:
    return {
        "project": project.slug,
        "starts_at": next_hour().isoformat(),
        "ends_at": (next_hour() + timedelta(hours=1)).isoformat(),
        "resources": [{"resource": str(resource.pk)}],
    }


def send(client: Any, body: Any, *, key: str = "one", url: str = URL) -> Any:
    return client.post(url, body, headers={"Idempotency-Key": key})


@pytest.fixture
def project() -> Any:
    return make_project()


@pytest.fixture
def script(project: Any) -> Any:
    return script_of(make_user(projects=[project]))


@pytest.mark.django_db
def test_the_same_request_again_gets_the_same_answer_and_books_once(script: Any, project: Any) -> None:
    body = booking(project, make_resource())
    first, second = send(script, body), send(script, body)
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert (first.get("Idempotency-Replayed"), second.get("Idempotency-Replayed")) == (None, "true")
    assert Reservation.objects.count() == 1


@pytest.mark.django_db
def test_another_request_under_the_same_key_is_refused(script: Any, project: Any) -> None:
    resource = make_resource()
    first = send(script, booking(project, resource))
    reused = (422, "idempotency_key_reused")
    assert codes(send(script, booking(project, resource) | {"purpose": "x"})) == reused
    assert codes(send(script, booking(project, resource), url=f"{URL}check/")) == reused
    assert codes(send(script, {}, url=f"{URL}{first.json()['id']}/cancel/")) == reused
    assert Reservation.objects.count() == 1


@pytest.mark.django_db
def test_a_key_is_its_owners_and_another_key_is_another_request(script: Any, project: Any) -> None:
    body = booking(project, make_resource())
    other = script_of(make_user(projects=[project]))
    assert send(script, body).status_code == 201
    assert codes(send(other, body)) == (409, "cannot_book")
    assert codes(send(script, body, key="two")) == (409, "cannot_book")


@pytest.mark.django_db
def test_a_refusal_is_kept_too(script: Any, project: Any) -> None:
    lease = book_lease()
    body = booking(project, lease.resource)
    first = send(script, body)
    assert codes(first) == (409, "cannot_book")
    lease.resource.leases.all()
    script_of(lease.reservation.holder).post(f"{URL}{lease.reservation_id}/cancel/")
    again = send(script, body)
    assert codes(again) == (409, "cannot_book")
    assert again.json() == first.json()
    assert send(script, body, key="two").status_code == 201


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_that_cannot_be_kept_is_refused(script: Any, project: Any, key: str) -> None:
    assert codes(send(script, booking(project, make_resource()), key=key)) == (400, "invalid")
    assert not Reservation.objects.exists()


@pytest.mark.django_db
def test_a_repeated_token_is_the_same_token_and_its_secret_is_not_kept_in_the_clear(script: Any) -> None:
    first = send(script, {"name": "nightly"}, url="/api/v1/tokens/")
    second = send(script, {"name": "nightly"}, url="/api/v1/tokens/")
    assert first.json()["token"] == second.json()["token"]
    assert PersonalToken.objects.filter(name="nightly").count() == 1
    assert first.json()["token"] not in str(IdempotencyKey.objects.get().response)


@pytest.mark.django_db
def test_a_bug_keeps_neither_key_nor_work(script: Any, project: Any) -> None:
    body = booking(project, make_resource())
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE reservations_leaseevent RENAME COLUMN reason TO broken")
    script.raise_request_exception = False
    assert send(script, body).status_code == 500
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE reservations_leaseevent RENAME COLUMN broken TO reason")
    assert not IdempotencyKey.objects.exists()
    assert send(script, body).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_two_at_once_under_one_key_book_once_and_get_the_same_answer(project: Any) -> None:
    user = make_user(projects=[project])
    scripts = [script_of(user) for _ in range(4)]
    body = booking(project, make_resource())
    start = threading.Barrier(len(scripts))
    answers: list[Any] = []

    def call(client: Any) -> None:
        try:
            start.wait(timeout=20)
            answers.append(send(client, body))
        finally:
            connection.close()

    threads = [threading.Thread(target=call, args=[client]) for client in scripts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Reservation.objects.count() == 1
