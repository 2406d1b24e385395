"""Who may ask what of the portal: one line for every address and method, compared with what the portal does.

**You added an address?** `test_rules_matrix.py` fails and names it. Add one line to `API` or `PAGES` below:

    "POST api/v1/leases/<uuid:pk>/approve/": May(OPERATORS, send={"reason": "x"}, the={"pk": "asked_lease"}),

- the key is the method and the address as in `urls.py` (the test prints it ready to paste);
- the first argument is who is let in: one of the sets below, or `roles("leader", …)`. Everybody else has to get
  401, 403 or 404, or be sent to the sign-in page;
- `the` says which thing of `World` fills each `<…>` of the address; `send` is a body that is good enough for the
  question “may they?” to be asked (nothing stays: each request is undone), `ask` the address's parameters;
- `shows={"reservation": SEE}`: who finds that thing's mark in the answer; all others must not;
- where a line cannot say it, name the test that does: `Elsewhere("tests/reservations/api/test_holds.py")`.

Scripts need no column: a token with the scope `read` alone gets what its owner, the leader, gets from a GET, and
nothing from anything else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.factories import next_hour

ROLES = (
    "stranger",
    "outsider",  # signed in, in no project
    "member",
    "leader",
    "holder",  # of the reservation, and no longer in its project
    "operator",  # of the site
    "far_operator",  # of another site
    "auditor",
    "manager",
)


def roles(*names: str) -> frozenset[str]:
    """Return a set of roles, spelt right."""
    assert set(names) <= set(ROLES), names
    return frozenset(names)


EVERYBODY = roles(*ROLES)
SIGNED_IN = EVERYBODY - {"stranger"}
NOBODY = roles()
IN_PROJECT = roles("member", "leader")
SEE_PROJECT = IN_PROJECT | roles("auditor", "manager")
LEAD = roles("leader", "manager")
SEE = roles("member", "leader", "holder", "operator", "auditor", "manager")
CHANGE = roles("leader", "holder", "manager")
END = CHANGE | roles("operator")
OPERATORS = roles("operator", "manager")
AT_THE_DESK = roles("operator", "far_operator", "auditor", "manager")
WATCH = roles("operator", "auditor", "manager")
FEDERATION = roles("auditor", "manager")
MANAGER = roles("manager")


@dataclass(frozen=True, slots=True, kw_only=True)
class May:
    """Who is let in at an address."""

    who: frozenset[str] = field(kw_only=False)
    the: Mapping[str, str] = field(default_factory=dict)
    ask: Mapping[str, str] = field(default_factory=dict)
    send: Mapping[str, Any] = field(default_factory=dict)
    shows: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another test tries it, for every sort of person that matters there."""

    test: str


Line = May | Elsewhere
BY_SLUG, BY_RESERVATION = {"slug": "project"}, {"pk": "reservation"}
BOOKING = {
    "project": "the-project",
    "starts_at": next_hour(after_h=200).isoformat(),
    "ends_at": next_hour(after_h=201).isoformat(),
    "resources": [{"resource": "{free_device}"}],
}
FIND = {"resources": [{"kind": "gpu"}], "hours": 1}
LATER = {"ends_at": next_hour(after_h=300).isoformat()}
WINDOW = {"starts_at": BOOKING["starts_at"], "ends_at": BOOKING["ends_at"]}
MAINTENANCE = {"resource": "{free_device}", "reason": "fan", **WINDOW}

API: dict[str, Line] = {
    "GET api/v1/me/": May(SIGNED_IN),
    "GET api/v1/tokens/": May(SIGNED_IN, shows={"token": roles("member")}),
    "POST api/v1/tokens/": May(SIGNED_IN, send={"name": "x"}),
    "DELETE api/v1/tokens/<str:pk>/": May(roles("member"), the={"pk": "token"}),
    "GET api/v1/ssh-keys/": May(SIGNED_IN, shows={"ssh_key": roles("member")}),
    "POST api/v1/ssh-keys/": May(SIGNED_IN, send={"public_key": "none"}),
    "DELETE api/v1/ssh-keys/<str:pk>/": May(roles("member"), the={"pk": "ssh_key"}),
    "GET api/v1/notifications/": May(SIGNED_IN),
    "POST api/v1/notifications/": May(SIGNED_IN, send={"wanted": {"ready": True}}),
    "GET api/v1/calendar-feeds/": Elsewhere("tests/interop/test_calendar_feeds.py"),
    "POST api/v1/calendar-feeds/": Elsewhere("tests/interop/test_calendar_feeds.py"),
    "DELETE api/v1/calendar-feeds/<uuid:pk>/": Elsewhere("tests/interop/test_calendar_feeds.py"),
    "GET api/v1/projects/": May(SIGNED_IN, shows={"project": SEE_PROJECT}),
    "GET api/v1/projects/<slug:slug>/": May(SEE_PROJECT, the=BY_SLUG),
    "POST api/v1/projects/<slug:slug>/change-role/": May(
        LEAD, the=BY_SLUG, send={"username": "second-member", "role": "leader"}
    ),
    "GET api/v1/projects/<slug:slug>/changes/": May(LEAD | FEDERATION, the=BY_SLUG),
    "POST api/v1/projects/<slug:slug>/hand-over/": May(
        roles("leader"), the=BY_SLUG, send={"username": "second-member"}
    ),
    "POST api/v1/projects/<slug:slug>/invite/": May(LEAD, the=BY_SLUG, send={"email": "x@uni-b.example"}),
    "POST api/v1/projects/<slug:slug>/leave/": May(IN_PROJECT, the=BY_SLUG),
    "POST api/v1/projects/<slug:slug>/remove/": May(LEAD, the=BY_SLUG, send={"username": "second-member"}),
    "GET api/v1/invitations/": May(SIGNED_IN, shows={"invitation": LEAD | FEDERATION | {"outsider"}}),
    "POST api/v1/invitations/accept-link/": May(SIGNED_IN, send={"secret": "{secret}"}),
    "POST api/v1/invitations/<uuid:pk>/accept/": May(roles("outsider"), the={"pk": "invitation"}),
    "POST api/v1/invitations/<uuid:pk>/decline/": May(roles("outsider"), the={"pk": "invitation"}),
    "POST api/v1/invitations/<uuid:pk>/withdraw/": May(LEAD, the={"pk": "invitation"}),
    "GET api/v1/join-requests/": May(SIGNED_IN, shows={"join_request": LEAD | FEDERATION | {"far_operator"}}),
    "POST api/v1/join-requests/": May(SIGNED_IN, send={"project": "the-project"}),
    "POST api/v1/join-requests/<uuid:pk>/approve/": May(LEAD, the={"pk": "join_request"}),
    "POST api/v1/join-requests/<uuid:pk>/decline/": May(LEAD, the={"pk": "join_request"}),
    "POST api/v1/join-requests/<uuid:pk>/withdraw/": May(roles("far_operator"), the={"pk": "join_request"}),
    "GET api/v1/sites/": May(SIGNED_IN),
    "GET api/v1/sites/<slug:slug>/": May(SIGNED_IN, the={"slug": "site"}),
    "GET api/v1/sites/<slug:slug>/topology/": May(SIGNED_IN, the={"slug": "site"}),
    "GET api/v1/resources/": May(SIGNED_IN),
    "GET api/v1/resources/<str:pk>/": May(SIGNED_IN, the={"pk": "device"}),
    "GET api/v1/adapters/": May(SIGNED_IN),
    "GET api/v1/calendar/": May(
        SIGNED_IN,
        ask={"from": next_hour(after_h=-9).isoformat(), "to": next_hour(after_h=9).isoformat()},
        shows={"purpose": SEE},
    ),
    "GET api/v1/calendar/free/": May(SIGNED_IN),
    "GET api/v1/free/": May(SIGNED_IN),
    "POST api/v1/find-slot/": May(SIGNED_IN, send=FIND),
    "GET api/v1/reservations/": May(SIGNED_IN, shows={"reservation": SEE}),
    "POST api/v1/reservations/": May(IN_PROJECT, send=BOOKING),
    "POST api/v1/reservations/check/": May(IN_PROJECT, send=BOOKING),
    "GET api/v1/reservations/<uuid:pk>/": May(
        SEE, the=BY_RESERVATION, shows={"access_secret": roles("member", "leader", "holder")}
    ),
    "POST api/v1/reservations/<uuid:pk>/cancel/": May(END, the=BY_RESERVATION),
    "POST api/v1/reservations/<uuid:pk>/end/": May(END, the=BY_RESERVATION),
    "POST api/v1/reservations/<uuid:pk>/extend/": May(CHANGE, the=BY_RESERVATION, send=LATER),
    "POST api/v1/reservations/<uuid:pk>/move/": May(CHANGE, the=BY_RESERVATION, send=WINDOW),
    "POST api/v1/reservations/<uuid:pk>/shorten/": May(CHANGE, the=BY_RESERVATION, send=LATER),
    "GET api/v1/leases/": May(SIGNED_IN, shows={"lease": SEE}),
    "GET api/v1/leases/<uuid:pk>/": May(
        SEE, the={"pk": "lease"}, shows={"access_secret": roles("member", "leader", "holder")}
    ),
    "POST api/v1/leases/<uuid:pk>/approve/": May(OPERATORS, the={"pk": "asked_lease"}),
    "POST api/v1/leases/<uuid:pk>/reject/": May(OPERATORS, the={"pk": "asked_lease"}, send={"reason": "x"}),
    "POST api/v1/leases/<uuid:pk>/retry/": May(OPERATORS, the={"pk": "failed_lease"}),
    "POST api/v1/leases/<uuid:pk>/vouch/": May(OPERATORS, the={"pk": "failed_lease"}, send={"reason": "x"}),
    "POST api/v1/leases/<uuid:pk>/files/": May(
        CHANGE, the={"pk": "asked_lease"}, send={"artefacts": {"p4info": "{artefact}"}}
    ),
    "GET api/v1/leases/<uuid:pk>/use/": May(SEE, the={"pk": "lease"}),
    "GET api/v1/leases/<uuid:pk>/use.csv": May(SEE, the={"pk": "lease"}),
    "GET api/v1/artefacts/": May(SIGNED_IN, shows={"artefact": IN_PROJECT}),
    "POST api/v1/artefacts/": Elsewhere("tests/reservations/api/test_artefacts.py"),
    "GET api/v1/artefacts/<uuid:pk>/": May(IN_PROJECT, the={"pk": "artefact"}),
    "DELETE api/v1/artefacts/<uuid:pk>/": May(IN_PROJECT, the={"pk": "artefact"}),
    "GET api/v1/artefacts/<uuid:pk>/content/": May(IN_PROJECT, the={"pk": "artefact"}),
    "POST api/v1/artefacts/<uuid:pk>/build/": May(
        IN_PROJECT, the={"pk": "artefact"}, send={"resource": "{device}"}
    ),
    "GET api/v1/artefacts/<uuid:pk>/builds/": May(IN_PROJECT, the={"pk": "artefact"}),
    "GET api/v1/maintenance/": May(SIGNED_IN),
    "POST api/v1/maintenance/": May(OPERATORS, send=MAINTENANCE),
    "DELETE api/v1/maintenance/<uuid:pk>/": May(OPERATORS, the={"pk": "window"}),
    "GET api/v1/holds/": May(SIGNED_IN, shows={"hold": roles("member")}),
    "POST api/v1/holds/": Elsewhere("tests/reservations/api/test_holds.py"),
    "GET api/v1/holds/<uuid:pk>/": May(roles("member"), the={"pk": "hold"}),
    "DELETE api/v1/holds/<uuid:pk>/": May(roles("member"), the={"pk": "hold"}),
    "POST api/v1/holds/<uuid:pk>/renew/": May(roles("member"), the={"pk": "hold"}),
    "GET api/v1/series/": Elsewhere("tests/reservations/api/test_series.py"),
    "POST api/v1/series/": Elsewhere("tests/reservations/api/test_series.py"),
    "POST api/v1/series/preview/": Elsewhere("tests/reservations/api/test_series.py"),
    "GET api/v1/series/<uuid:pk>/": Elsewhere("tests/reservations/api/test_series.py"),
    "POST api/v1/series/<uuid:pk>/cancel-rest/": Elsewhere("tests/reservations/api/test_series.py"),
    "POST api/v1/series/<uuid:pk>/change/": Elsewhere("tests/reservations/api/test_series.py"),
    "POST api/v1/series/<uuid:pk>/preview-change/": Elsewhere("tests/reservations/api/test_series.py"),
    "GET api/v1/waiting/": Elsewhere("tests/reservations/api/test_waiting.py"),
    "POST api/v1/waiting/": Elsewhere("tests/reservations/api/test_waiting.py"),
    "GET api/v1/waiting/<uuid:pk>/": Elsewhere("tests/reservations/api/test_waiting.py"),
    "DELETE api/v1/waiting/<uuid:pk>/": Elsewhere("tests/reservations/api/test_waiting.py"),
    "POST api/v1/waiting/<uuid:pk>/take/": Elsewhere("tests/reservations/api/test_waiting.py"),
    "GET api/v1/templates/": Elsewhere("tests/reservations/api/test_templates.py"),
    "POST api/v1/templates/": Elsewhere("tests/reservations/api/test_templates.py"),
    "POST api/v1/templates/from-reservation/": Elsewhere("tests/reservations/api/test_templates.py"),
    "GET api/v1/templates/like/": Elsewhere("tests/reservations/api/test_templates.py"),
    "GET api/v1/templates/<uuid:pk>/": Elsewhere("tests/reservations/api/test_templates.py"),
    "PATCH api/v1/templates/<uuid:pk>/": Elsewhere("tests/reservations/api/test_templates.py"),
    "DELETE api/v1/templates/<uuid:pk>/": Elsewhere("tests/reservations/api/test_templates.py"),
    "GET api/v1/handovers/": Elsewhere("tests/reservations/services/test_handover.py"),
    "POST api/v1/handovers/": Elsewhere("tests/reservations/services/test_handover.py"),
    "GET api/v1/handovers/choices/": Elsewhere("tests/reservations/services/test_handover.py"),
    "POST api/v1/handovers/<int:pk>/accept/": Elsewhere("tests/reservations/services/test_handover.py"),
    "POST api/v1/handovers/<int:pk>/decline/": Elsewhere("tests/reservations/services/test_handover.py"),
    "POST api/v1/handovers/<int:pk>/withdraw/": Elsewhere("tests/reservations/services/test_handover.py"),
    "GET api/schema/": May(EVERYBODY),
    "GET api/docs/": May(EVERYBODY),
}

PAGES: dict[str, Line] = {
    "GET ": May(SIGNED_IN),
    "GET calendar/stream/": May(SIGNED_IN),
    "GET find/": May(SIGNED_IN),
    "GET mine/": May(SIGNED_IN, shows={"reservation": roles("member", "leader", "holder")}),
    "GET reservations/<uuid:reservation_id>/": May(SEE, the={"reservation_id": "reservation"}),
    "GET reservations/<uuid:reservation_id>/stream/": May(SEE, the={"reservation_id": "reservation"}),
    "GET reservations/<uuid:reservation_id>/calendar.ics": May(SEE, the={"reservation_id": "reservation"}),
    "GET series/<uuid:series_id>/": Elsewhere("tests/reservations/api/test_series.py"),
    "GET templates/": May(SIGNED_IN),
    "GET account/notifications/": May(SIGNED_IN),
    "GET account/feeds/": May(SIGNED_IN),
    "GET messages/stop/<str:signed>/": Elsewhere("tests/reservations/api/test_notifications.py"),
    "GET calendar/feed.ics": Elsewhere("tests/interop/test_calendar_feeds.py"),
    "GET calendar/<str:secret>/shary.ics": Elsewhere("tests/interop/test_calendar_feeds.py"),
    "GET artefacts/": May(SIGNED_IN),
    "GET resources/<uuid:resource_id>/": May(SIGNED_IN, the={"resource_id": "device"}),
    "GET account/": May(SIGNED_IN),
    "POST account/": May(SIGNED_IN, send={"first_name": "X"}),
    "GET account/keys/": May(SIGNED_IN),
    "GET reservations/<uuid:reservation_id>/ssh_config": Elsewhere("tests/reservations/test_downloads.py"),
    "GET reservations/<uuid:reservation_id>/access.zip": Elsewhere("tests/reservations/test_downloads.py"),
    "POST messages/stop/<str:signed>/": Elsewhere("tests/reservations/api/test_notifications.py"),
    "GET account/security/": May(SIGNED_IN, shows={"session_browser": roles("member")}),
    "POST account/sessions/end/": May(SIGNED_IN, send={"session": "1"}),
    "GET projects/": May(SIGNED_IN, shows={"project": SEE_PROJECT | {"outsider", "far_operator"}}),
    "POST join-a-project/": May(SIGNED_IN, send={"slug": "the-project"}),
    "GET projects/<slug:slug>/": May(SEE_PROJECT, the=BY_SLUG, shows={"invited_email": LEAD | FEDERATION}),
    "POST projects/<slug:slug>/invite/": May(
        LEAD, the=BY_SLUG, send={"whom": "y@uni-b.example", "role": "member"}
    ),
    "POST projects/<slug>/leave/": May(IN_PROJECT, the=BY_SLUG),
    "POST projects/<slug>/remove/": May(LEAD, the=BY_SLUG, send={"username": "second-member"}),
    "POST projects/<slug>/lead/": May(LEAD, the=BY_SLUG, send={"username": "second-member"}),
    "POST projects/<slug>/member/": May(LEAD, the=BY_SLUG, send={"username": "second-leader"}),
    "POST projects/<slug>/hand-over/": May(roles("leader"), the=BY_SLUG, send={"username": "second-member"}),
    "GET invitation/": May(EVERYBODY),
    "POST invitation/": May(EVERYBODY, send={"secret": "{secret}"}, shows={"project_name": SIGNED_IN}),
    "POST invitations/<invitation_id>/accept/": May(roles("outsider"), the={"invitation_id": "invitation"}),
    "POST invitations/<invitation_id>/decline/": May(roles("outsider"), the={"invitation_id": "invitation"}),
    "POST invitations/<invitation_id>/withdraw/": May(LEAD, the={"invitation_id": "invitation"}),
    "POST join-requests/<request_id>/approve/": May(LEAD, the={"request_id": "join_request"}),
    "POST join-requests/<request_id>/decline/": May(LEAD, the={"request_id": "join_request"}),
    "POST join-requests/<request_id>/withdraw/": May(roles("far_operator"), the={"request_id": "join_request"}),
    "GET sup4rnet/at/<slug:slug>/api/active_reservations": Elsewhere("tests/interop/test_guards.py"),
    "GET sup4rnet/<str:secret>/api/active_reservations": Elsewhere("tests/interop/test_guards.py"),
    "GET language/": Elsewhere("tests/portal/test_languages.py"),
    "GET words/<slug:language>.js": Elsewhere("tests/portal/test_languages.py"),
    "GET healthz": May(EVERYBODY),
    "GET readyz": Elsewhere("tests/portal/test_pages.py"),
    "GET admin/": May(AT_THE_DESK),
    "GET admin/search/": May(AT_THE_DESK),
    "GET admin/inventory/<slug:slug>/": May(WATCH, the={"slug": "site"}),
    "POST admin/inventory/<slug:slug>/look/": May(OPERATORS, the={"slug": "site"}),
    "GET admin/devices/<uuid:resource_id>/back-in-service/": May(WATCH, the={"resource_id": "device"}),
    "GET admin/resources/cable/describe/<slug:slug>/": May(WATCH, the={"slug": "site"}),
    "POST admin/resources/cable/describe/<slug:slug>/": May(OPERATORS, the={"slug": "site"}),
    "GET admin/reservations/lease/<uuid:row_id>/approve/": May(OPERATORS, the={"row_id": "asked_lease"}),
    "GET admin/reservations/lease/<uuid:row_id>/reject/": May(OPERATORS, the={"row_id": "asked_lease"}),
    "GET admin/reservations/lease/<uuid:row_id>/retry/": May(OPERATORS, the={"row_id": "failed_lease"}),
    "GET admin/reservations/lease/<uuid:row_id>/vouch/": May(OPERATORS, the={"row_id": "failed_lease"}),
    "GET admin/reservations/lease/<uuid:row_id>/end/": May(OPERATORS, the={"row_id": "lease"}),
    "GET admin/reservations/reservation/<uuid:row_id>/cancel/": May(OPERATORS, the={"row_id": "reservation"}),
    "GET admin/accounts/user/<id>/password/": May(MANAGER, the={"id": "member_id"}),
}

READ_ALONE = {"see": WATCH}
ADMIN: dict[str, dict[str, frozenset[str]]] = {
    "reservations/lease": READ_ALONE,
    "reservations/reservation": READ_ALONE,
    "reservations/leaseevent": READ_ALONE,
    "resources/site": {"see": WATCH, "change": OPERATORS, "add": MANAGER, "delete": MANAGER},
    "resources/maintenancewindow": {
        "see": WATCH,
        # It leads whoever may plan to the page of plans, which asks for which site.
        "add": AT_THE_DESK - {"auditor"},
        "delete": OPERATORS,
    },
    "accounts/user": {"see": FEDERATION, "change": MANAGER, "add": MANAGER, "delete": MANAGER},
    "accounts/project": {"see": FEDERATION, "change": MANAGER, "add": MANAGER, "delete": MANAGER},
    "accounts/organisation": {"see": FEDERATION, "change": MANAGER, "add": MANAGER, "delete": MANAGER},
    "accounts/sshkey": {"see": FEDERATION, "delete": MANAGER},
}
"""Models of the admin whose four pages are tried for every role. `tests/portal/test_desk.py` tries all of them."""

ONESELF = ("accounts/",)
"""Addresses that are about whoever asks, or about nobody yet: signing in and out, and one's second factor."""

OF_THE_ADMIN = ("admin/",)
"""What stands below is in `ADMIN`, in `PAGES`, or in `tests/portal/test_desk.py`, which fails for a new model."""

NOTHING_THERE = ("api/^.*$", "sup4rnet/^.*$")
"""What answers for addresses that are not there."""
