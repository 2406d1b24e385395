"""The table in docs/roles.md is the table in the code."""

from collections.abc import Mapping
from pathlib import Path

from accounts.rules import KEY, PERSON, PROJECT, Role, Rules
from reservations.rules import FILE, LEASE, RESERVATION
from resources.rules import DEVICE, SITE

PAGE = Path(__file__).parents[2] / "docs" / "roles.md"
THINGS: Mapping[str, Rules] = {
    "a person": PERSON,
    "a key or token": KEY,
    "a project": PROJECT,
    "a site": SITE,
    "a device": DEVICE,
    "a reservation": RESERVATION,
    "a lease": LEASE,
    "a file": FILE,
}


def table_of_rules() -> str:
    """Return the rules as the page shows them."""
    lines = [f"| | {' | '.join(role.value for role in Role)} |", f"|---|{'---|' * len(Role)}"]
    for thing, rules in THINGS.items():
        for verb, allowed in rules.items():
            marks = " | ".join("yes" if role in allowed else "" for role in Role)
            lines.append(f"| {thing}: {verb} | {marks} |")
    return "\n".join(" ".join(line.split()) for line in lines)


def test_the_page_shows_the_rules_of_the_code() -> None:
    assert table_of_rules() in PAGE.read_text()


def test_whoever_may_change_a_thing_may_see_it() -> None:
    for thing, rules in THINGS.items():
        seen = rules["see"]
        for verb, allowed in rules.items():
            beyond = allowed - seen - {Role.SELF}
            assert (
                verb in {"ask to join", "see that it is there", "add"} or Role.ANYBODY in seen or not beyond
            ), f"{thing}: {verb} is for {beyond}, who do not see it"


def test_auditors_do_nothing_but_look() -> None:
    for thing, rules in THINGS.items():
        for verb, allowed in rules.items():
            assert Role.AUDITOR not in allowed or verb in {"see", "watch at the desk", "see settings"}, (
                thing,
                verb,
            )
