"""Draw the states of a lease from the code: `manage.py draw_lease_states > docs/lease-states.md`."""

from typing import Any

from django.core.management.base import BaseCommand

from reservations.states import FIRST, HOLDING, IN_WORKER, MOVES, ON_DEVICE, OVER, Status


class Command(BaseCommand):
    """Print the page `docs/lease-states.md`."""

    help = "Prints docs/lease-states.md, drawn from reservations/states.py."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the page."""
        self.stdout.write(page(), ending="")


def page() -> str:
    """Return the page as Markdown with a Mermaid diagram."""
    arrows = [f"    [*] --> {status}: ask" for status in Status if status in FIRST]
    arrows += [
        f"    {source} --> {to}: {verbs}" for source, moves in MOVES.items() for to, verbs in moves.items()
    ]
    arrows += [f"    {status} --> [*]" for status in Status if status in OVER]
    rows = [
        f"| {status} | {status.label} | {_moves(status)} | {_yes(status in HOLDING)} | {_yes(status in ON_DEVICE)}"
        f" | {_yes(status in IN_WORKER)} |"
        for status in Status
    ]
    return _PAGE.format(arrows="\n".join(arrows), rows="\n".join(rows))


def _moves(status: Status) -> str:
    return ", ".join(f"{to} ({verbs})" for to, verbs in MOVES[status].items()) or "over"


def _yes(value: bool) -> str:
    return "yes" if value else ""


_PAGE = """\
# The states of a lease

A lease is the only thing with a status. This page is drawn from `reservations/states.py` by
`manage.py draw_lease_states`; a test compares the two, and another walks every pair of states
against the database, which refuses the moves that are not here.

```mermaid
stateDiagram-v2
{arrows}
```

| state | meaning | moves on to | keeps its slot | on the device | the site works |
|---|---|---|---|---|---|
{rows}

- A reservation has no status: its phase is summed up from its leases.
- Ending early is no move of its own: the end comes to now, and the lease is released like any other.
- A site that approves by itself schedules at once; REQUESTED is for sites where an operator decides.
- A lease in RELEASE_FAILED keeps its device in quarantine until the site proves it clean or an
  operator vouches for it.
- Every move goes through `reservations.services.gate` and writes one `LeaseEvent` in the same
  transaction; the database refuses a move without one.
"""
