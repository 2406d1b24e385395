"""The pages and what they hand to their scripts; live updates; health."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from reservations import live
from reservations.models import Lease
from reservations.states import Status
from tests.factories import book_lease, make_project, make_resource, make_site, make_user, next_hour

PAGES = ["/", "/mine/", "/account/keys/"]


def client_of(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def config_in(answer: Any, name: str) -> Any:
    found = re.search(
        rf'<script id="{name}" type="application/json">(.*?)</script>', answer.content.decode(), re.DOTALL
    )
    assert found, f"no {name} in the page"
    return json.loads(found[1])


@pytest.mark.django_db
def test_every_page_asks_a_stranger_to_sign_in() -> None:
    for url in [*PAGES, f"/reservations/{uuid4()}/", f"/resources/{uuid4()}/"]:
        answer = Client().get(url)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/?next=")


@pytest.mark.django_db
@pytest.mark.parametrize("url", PAGES)
def test_every_page_shows_and_leaves_a_csrf_cookie(url: str) -> None:
    answer = client_of(make_user()).get(url)
    assert answer.status_code == 200
    assert "csrftoken" in answer.cookies


@pytest.mark.django_db
def test_the_board_knows_who_looks_at_it() -> None:
    user = make_user("ada", projects=[make_project("alpha")], time_zone="Europe/Rome", first_name="</script>")
    config = config_in(client_of(user).get("/"), "board-config")
    assert config["user"] == {"username": "ada", "name": "</script>"}
    assert config["projects"] == [{"slug": "alpha", "name": "Alpha"}]
    assert config["time_zone"] == "Europe/Rome"


@pytest.mark.django_db
def test_my_page_groups_what_is_mine_by_what_is_to_be_done() -> None:
    project = make_project()
    user = make_user(projects=[project])
    site = make_site(by_operator=True)
    past = datetime.now(UTC) - timedelta(hours=5)
    leases = {
        "running": book_lease(holder=user, project=project, status=Status.ACTIVE),
        "next": book_lease(holder=user, project=project),
        "waiting": book_lease(make_resource(site), project=project, status=Status.REQUESTED),
        "past": book_lease(holder=user, project=project, status=Status.RELEASED, starts_at=past),
    }
    book_lease()
    client = client_of(user)
    groups = client.get("/mine/").context["groups"]
    assert {name: [each.pk for each in group] for name, group in groups.items()} == {
        name: [lease.reservation_id] for name, lease in leases.items()
    }
    assert groups["running"][0].phase == "active"
    with CaptureQueriesContext(connection) as few:
        client.get("/mine/")
    for number in range(10):
        book_lease(holder=user, project=project, starts_at=next_hour(after_h=number))
    with CaptureQueriesContext(connection) as many:
        client.get("/mine/")
    assert len(few) == len(many)


@pytest.mark.django_db
def test_a_reservation_has_a_page_for_those_who_may_see_it() -> None:
    lease = book_lease()
    url = f"/reservations/{lease.reservation_id}/"
    config = config_in(client_of(lease.reservation.holder).get(url), "reservation-config")
    assert config["id"] == str(lease.reservation_id)
    assert config["projects"] == [
        {"slug": lease.reservation.project.slug, "name": lease.reservation.project.name}
    ]
    assert config["has_ssh_key"] is False
    assert datetime.fromisoformat(config["now"]) <= datetime.now(UTC)
    assert client_of(make_user()).get(url).status_code == 404
    assert client_of(make_user()).get(f"/reservations/{uuid4()}/").status_code == 404


@pytest.mark.django_db
def test_a_resource_has_a_page_that_does_not_tell_how_it_is_reached() -> None:
    resource = make_resource(settings={"endpoint": "https://inside.uni-a.example:8443"})
    answer = client_of(make_user()).get(f"/resources/{resource.pk}/")
    assert answer.context["resource"] == resource
    assert answer.context["last_proof"] is None
    assert "inside.uni-a" not in answer.content.decode()
    assert client_of(make_user()).get(f"/resources/{uuid4()}/").status_code == 404


@pytest.mark.django_db
def test_health_and_readiness_need_no_login() -> None:
    assert Client().get("/healthz").json() == {"status": "ok"}
    answer = Client().get("/readyz")
    assert answer.status_code == 200, answer.content
    assert answer.json() == {
        "status": "ok",
        "checks": {"database": "ok", "migrations": "ok", "broker": "ok"},
        "overdue_s": 0.0,
    }
    lease = book_lease(starts_at=next_hour(after_h=9))
    Lease.objects.filter(pk=lease.pk).update(next_action_at=datetime.now(UTC) - timedelta(seconds=90))
    assert Client().get("/readyz").json()["overdue_s"] > 89


@pytest.mark.django_db
def test_without_its_broker_the_portal_is_up_and_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
    assert Client().get("/healthz").status_code == 200
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "ok", "migrations": "ok", "broker": "failed"}


@pytest.mark.django_db
@pytest.mark.parametrize(("signed_in", "status"), [(False, 401), (True, 404)])
def test_the_stream_is_for_those_who_may_see_the_reservation(signed_in: bool, status: int) -> None:
    url = f"/reservations/{book_lease().reservation_id}/stream/"
    client = client_of(make_user()) if signed_in else Client()
    assert client.get(url).status_code == status


async def next_event(stream: Any) -> str:
    async def event() -> str:
        async for chunk in stream:
            text = chunk.decode() if isinstance(chunk, bytes) else chunk
            if "data:" in text:
                return str(text)
        raise AssertionError("the stream ended")

    return await asyncio.wait_for(event(), 30)


def version_in(event: str) -> int:
    assert "event: change\n" in event
    return int(json.loads(event.partition("data: ")[2])["version"])


@pytest.mark.django_db(transaction=True)
def test_two_pages_are_told_of_a_change_by_one_look() -> None:
    lease = book_lease()
    holder = lease.reservation.holder
    url = f"/reservations/{lease.reservation_id}/stream/"

    async def story() -> None:
        client = AsyncClient()
        await client.aforce_login(holder)
        answers = [await client.get(url) for _ in range(2)]
        assert answers[0]["Content-Type"] == "text/event-stream"
        streams = [answer.streaming_content for answer in answers]
        first = [version_in(await next_event(stream)) for stream in streams]
        await sync_to_async(Lease.objects.filter(pk=lease.pk).update)(trouble="x")
        second = [version_in(await next_event(stream)) for stream in streams]
        assert first[0] == first[1] < second[0] == second[1]
        watching = live.watch()
        assert len(watching._inboxes) == 1
        for stream in streams:
            # A server cancels what it was waiting for when the client has gone.
            waiting = asyncio.create_task(next_event(stream))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert watching._inboxes == {}
        await asyncio.wait_for(watching._task, 30)

    async_to_sync(story)()


@pytest.mark.django_db(transaction=True)
def test_a_quiet_stream_gives_signs_of_life() -> None:
    lease = book_lease()

    async def story() -> None:
        stream = live.changes_of(lease.reservation_id, 1, heartbeat_every_s=0.01)
        assert version_in(await anext(stream)) == 1
        assert (await anext(stream)).startswith(":")
        await stream.aclose()
        await asyncio.wait_for(live.watch()._task, 30)

    async_to_sync(story)()
