"""Every address × every role: what the portal does is what `rules_table` says, and nothing is left out."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, get_resolver
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import invitations
from accounts.models import JoinRequest
from accounts.scopes import Scope
from accounts.tokens import issue_token
from reservations.models import Hold
from reservations.states import Status
from resources.models import MaintenanceWindow
from tests.factories import (
    book_lease,
    make_artefact,
    make_organisation,
    make_project,
    make_resource,
    make_site,
    make_ssh_key,
    make_superuser,
    make_user,
    next_hour,
)
from tests.portal.rules_table import (
    ADMIN,
    API,
    EVERYBODY,
    NOTHING_THERE,
    OF_THE_ADMIN,
    ONESELF,
    PAGES,
    ROLES,
    Elsewhere,
    Line,
    May,
)

TABLE: dict[str, Line] = {**API, **PAGES}
REFUSED = {401, 403, 404}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One project at one site, somebody of each role, and what fills the addresses."""

    clients: Mapping[str, APIClient]
    script: APIClient
    things: Mapping[str, str]

    def filled(self, value: Any) -> Any:
        """Return a body with the names in braces replaced by what they stand for."""
        match value:
            case str():
                return re.sub(r"\{(\w+)\}", lambda found: self.things[found[1]], value)
            case dict():
                return {name: self.filled(each) for name, each in value.items()}
            case list():
                return [self.filled(each) for each in value]
        return value


@pytest.fixture
def world(db: None) -> World:
    now = timezone.now()
    rome, athens = make_site("rome", by_operator=True), make_site("athens")
    member, leader = make_user("member"), make_user("leader")
    project = make_project(
        "the-project",
        members=[member, make_user("second-member")],
        leaders=[leader, make_user("second-leader")],
    )
    people = {
        "outsider": make_user("outsider"),
        "member": member,
        "leader": leader,
        "holder": make_user("holder"),
        "operator": make_user("operator", operates=[rome]),
        "far_operator": make_user("far-operator", operates=[athens]),
        "auditor": make_user("auditor", is_auditor=True),
        "manager": make_superuser("manager"),
    }
    mine = {"holder": people["holder"], "project": project}
    device, free = make_resource(rome), make_resource(rome)
    lease = book_lease(
        device, **mine, starts_at=next_hour() - next_hour_length(3), hours=9, status=Status.ACTIVE,
        purpose="purpose-of-the-reservation",
    )  # fmt: skip
    asked = book_lease(make_resource(rome), **mine, status=Status.REQUESTED)
    failed = book_lease(
        make_resource(rome), **mine, starts_at=next_hour() - next_hour_length(5), status=Status.RELEASE_FAILED
    )
    invitation, _ = invitations.invite(slug=project.slug, username="outsider", actor=leader, now=now)
    _, secret = invitations.invite(slug=project.slug, email="z@uni-b.example", actor=leader, now=now)
    request = JoinRequest.objects.create(project=project, user=people["far_operator"], made_at=now)
    window = MaintenanceWindow.objects.create(
        resource=free, starts_at=next_hour(after_h=90), ends_at=next_hour(after_h=91), reason="Fan"
    )
    hold = Hold.objects.create(
        holder=member,
        starts_at=next_hour(after_h=50),
        ends_at=next_hour(after_h=51),
        created_at=now,
        expires_at=now + next_hour_length(1),
    )
    token, _ = issue_token(user=member, name="the token of the member")
    clients = {"stranger": APIClient()}
    for role, person in people.items():
        clients[role] = APIClient(HTTP_USER_AGENT=f"browser-of-{role}")
        # The first visit is behind everybody, so that each session has its key.
        clients[role].force_login(person)
    people["member"].sessions.update(browser="browser-of-the-member Firefox/1")
    script = APIClient()
    _, text = issue_token(user=leader, name="reads", scopes=[Scope.READ])
    script.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    things = {
        "project": project.slug,
        "project_name": project.name,
        "invited_email": "z@uni-b.example",
        "site": rome.slug,
        "device": str(device.pk),
        "free_device": str(free.pk),
        "reservation": str(lease.reservation_id),
        "purpose": "purpose-of-the-reservation",
        "lease": str(lease.pk),
        "access_secret": "opens-sesame",
        "asked_lease": str(asked.pk),
        "failed_lease": str(failed.pk),
        "artefact": str(make_artefact(project, uploaded_by=member).pk),
        "window": str(window.pk),
        "hold": str(hold.pk),
        "token": str(token.pk),
        "ssh_key": str(make_ssh_key(member).pk),
        "invitation": str(invitation.pk),
        "secret": secret,
        "join_request": str(request.pk),
        "member_id": str(member.pk),
        "session_browser": "browser-of-the-member",
        "organisation": str(make_organisation("uni-a").pk),
        "event": str(lease.events.first().pk),
        "site_id": str(rome.pk),
        "project_id": str(project.pk),
    }
    return World(clients=clients, script=script, things=things)


def next_hour_length(hours: int) -> Any:
    return next_hour(after_h=hours) - next_hour(after_h=0)


def walk(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each address of the portal as it stands in the code, with its view."""
    for pattern in patterns:
        address = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield address, pattern.callback
        else:
            yield from walk(pattern.url_patterns, address)


def keys_of(address: str, view: Any) -> list[str]:
    """Return the keys under which an address stands in the table; a list of verbs in it is many addresses."""
    if actions := getattr(view, "actions", None):
        return [f"{method.upper()} {address}" for method in actions if method != "head"]
    if address.startswith("^"):
        address = re.sub(r"\(\?P(<\w+>)(?!\w+\|)[^()|]+\)", r"\1", address.strip("^$"))
        verbs = re.search(r"\(\?P<verb>([\w|-]+)\)", address)
        assert verbs, f"write {address} with <…>, so that the table can name it"
        return [f"POST {address.replace(verbs[0], verb)}" for verb in verbs[1].split("|")]
    return [f"POST {address}"] if f"POST {address}" in TABLE else [f"GET {address}"]


def test_no_address_is_left_out() -> None:
    lacking = []
    for address, view in walk(get_resolver().url_patterns):
        if address in NOTHING_THERE or address.startswith(("^accounts/", *ONESELF, *OF_THE_ADMIN)):
            continue
        lacking += [key for key in keys_of(address, view) if key not in TABLE]
    assert not lacking, "Say in tests/portal/rules_table.py who may ask these, one line each:\n" + "\n".join(
        f'    "{key}": May(SIGNED_IN),' for key in lacking
    )


def test_nothing_stands_in_the_table_that_is_not_there() -> None:
    there = {key.partition(" ")[2] for address, view in walk(get_resolver().url_patterns)
             if not address.startswith("^accounts/") for key in _all_keys(address, view)}  # fmt: skip
    assert not {key for key in TABLE if key.partition(" ")[2] not in there}
    for line in TABLE.values():
        if isinstance(line, Elsewhere):
            assert Path(line.test).exists(), f"{line.test} is gone"


def _all_keys(address: str, view: Any) -> list[str]:
    if address in NOTHING_THERE or address.startswith(("admin/^", "accounts/")):
        return []
    return [f"GET {address}"] if "(?P" not in address else keys_of(address, view)


def is_let_in(answer: Any) -> bool:
    if answer.status_code in REFUSED:
        return False
    where = answer.headers.get("Location", "")
    return not (answer.status_code == 302 and ("/login/?" in where or where == "/admin/"))


def ask(client: Client, world: World, key: str, line: May) -> Any:
    """Ask, and undo whatever it did."""
    method, _, address = key.partition(" ")
    address = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: world.things[line.the[found[1]]], address)
    body = {"format": "json"} if address.startswith("api/") else {"format": "multipart"}
    with transaction.atomic():
        if method == "GET":
            answer = client.get(f"/{address}", dict(line.ask))
        else:
            answer = getattr(client, method.lower())(f"/{address}", world.filled(dict(line.send)), **body)
        text = b"" if answer.streaming else answer.content
        transaction.set_rollback(True)
    answer.text_shown = text.decode(errors="replace")
    return answer


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_address_answers_each_role_as_the_table_says(world: World, role: str) -> None:
    wrong: list[str] = []
    for key, line in TABLE.items():
        if isinstance(line, Elsewhere):
            continue
        answer = ask(world.clients[role], world, key, line)
        if answer.status_code >= 500:
            wrong.append(f"{key}: {role} got {answer.status_code}")
        if is_let_in(answer) != (role in line.who):
            not_ = "" if role in line.who else "not "
            wrong.append(f"{key}: {role} got {answer.status_code}, and is {not_}to be let in")
        for thing, shown_to in line.shows.items():
            if (world.things[thing] in answer.text_shown) != (role in shown_to):
                not_ = "" if role in shown_to else "not "
                wrong.append(f"{key}: {role} is {not_}to see the {thing} in the answer")
    assert not wrong, "\n".join(wrong)


def test_a_token_does_what_its_scope_says_and_never_more_than_its_owner(world: World) -> None:
    wrong = []
    for key, line in API.items():
        if isinstance(line, Elsewhere) or line.who == EVERYBODY:
            continue
        answer = ask(world.script, world, key, line)
        may = key.startswith("GET ") and "leader" in line.who
        if is_let_in(answer) != may:
            wrong.append(f"{key}: a token that reads got {answer.status_code}")
    assert not wrong, "\n".join(wrong)


IDS = {
    "reservations/lease": "lease",
    "reservations/reservation": "reservation",
    "reservations/leaseevent": "event",
    "resources/site": "site_id",
    "resources/maintenancewindow": "window",
    "accounts/user": "member_id",
    "accounts/project": "project_id",
    "accounts/organisation": "organisation",
    "accounts/sshkey": "ssh_key",
}


@pytest.mark.parametrize("role", sorted(ROLES))
def test_the_admin_shows_each_role_what_the_table_says_and_changes_nothing_for_others(
    world: World, role: str
) -> None:
    wrong = []
    for model, may in ADMIN.items():
        row = f"admin/{model}/{world.things[IDS[model]]}"
        pages = {
            "see": [f"GET {row}/change/", f"GET {row}/history/"],
            "add": [f"GET admin/{model}/add/", f"POST admin/{model}/add/"],
            "change": [f"POST {row}/change/"],
            "delete": [f"GET {row}/delete/", f"POST {row}/delete/"],
        }
        for verb, keys in pages.items():
            allowed = may.get(verb, frozenset())
            for key in keys:
                answer = ask(world.clients[role], world, key, May(allowed))
                if is_let_in(answer) != (role in allowed):
                    wrong.append(f"{key}: {role} got {answer.status_code}")
    assert not wrong, "\n".join(wrong)
