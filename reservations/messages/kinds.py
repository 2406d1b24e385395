"""Which messages there are: what they are for, who may do without them, and what they do to a calendar."""

from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Entry(StrEnum):
    """What a message does to the entry in its receiver's calendar."""

    NONE = ""
    WRITE = "REQUEST"
    REMOVE = "CANCEL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of message that somebody may want or not."""

    name: str
    title: str | Promise
    explains: str | Promise
    is_wanted: bool = True
    """Whether people get it who chose nothing."""
    is_optional: bool = True
    for_operators: bool = False


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="booked", title=_("Booked"), explains=_("A reservation is confirmed, or waits for approval.")
        ),
        Kind(
            name="decided",
            title=_("Approved or rejected"),
            explains=_("A site has said yes or no to devices that you asked for."),
        ),
        Kind(
            name="starting",
            title=_("Starts soon"),
            explains=_("Before a reservation starts, with what it does to machines of your own."),
        ),
        Kind(
            name="ready",
            title=_("Ready"),
            explains=_("Access to a device is open."),
            is_wanted=False,
        ),
        Kind(
            name="failed",
            title=_("Failed or at risk"),
            explains=_("A device cannot be made ready, is unwell, or your files would not work on it."),
        ),
        Kind(
            name="changed",
            title=_("Moved or changed"),
            explains=_("A reservation got another time or another device."),
        ),
        Kind(
            name="ending",
            title=_("Ends soon"),
            explains=_("Before access closes, with how long you could extend."),
        ),
        Kind(
            name="ended",
            title=_("Over"),
            explains=_("Access is closed and the devices are being cleaned."),
            is_wanted=False,
        ),
        Kind(
            name="cancelled", title=_("Cancelled"), explains=_("A reservation was given up, by whom and why.")
        ),
        Kind(
            name="freed",
            title=_("Freed"),
            explains=_("Something that you wait for has become free."),
        ),
        Kind(
            name="approval",
            title=_("Approval wanted"),
            explains=_("Somebody asks for devices of a site that you operate."),
            for_operators=True,
        ),
        Kind(
            name="account",
            title=_("Your account and your projects"),
            explains=_("Invitations, requests to join, and what concerns how you sign in."),
            is_optional=False,
        ),
        Kind(
            name="operator",
            title=_("Devices of your site"),
            explains=_("A device is kept back, or something needs an operator."),
            is_optional=False,
            for_operators=True,
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One text, in `templates/messages/`, and which kind of message it makes."""

    kind: str
    entry: Entry = Entry.NONE
    is_grave: bool = False
    """Whether it is sent to those as well who do without its kind."""


TEMPLATES: dict[str, Template] = {
    "booked": Template(kind="booked", entry=Entry.WRITE),
    "asked": Template(kind="booked", entry=Entry.WRITE),
    "approved": Template(kind="decided", entry=Entry.WRITE),
    "rejected": Template(kind="decided", entry=Entry.REMOVE),
    "starting_soon": Template(kind="starting"),
    "ready": Template(kind="ready"),
    "failed": Template(kind="failed"),
    "at_risk": Template(kind="failed"),
    "late": Template(kind="failed"),
    "device_error": Template(kind="failed", is_grave=True),
    "ended_by_error": Template(kind="failed", is_grave=True),
    "files_fail": Template(kind="failed"),
    "safe": Template(kind="failed"),
    "moved": Template(kind="changed", entry=Entry.WRITE),
    "changed": Template(kind="changed", entry=Entry.WRITE),
    "maintenance": Template(kind="changed", entry=Entry.WRITE, is_grave=True),
    "ending_soon": Template(kind="ending"),
    "ended": Template(kind="ended"),
    "cancelled": Template(kind="cancelled", entry=Entry.REMOVE),
    "freed": Template(kind="freed"),
    "approval_wanted": Template(kind="approval"),
    "handover": Template(kind="account", is_grave=True),
    "account": Template(kind="account", is_grave=True),
    "operator": Template(kind="operator", is_grave=True),
}
"""Every text that is ever sent; a test renders each in every language."""
