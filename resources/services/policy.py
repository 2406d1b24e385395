"""Changing what a site allows; each change is kept, with who made it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from resources.models import PolicyChange, Site

POLICY_TITLES = {
    "approval": gettext_lazy("Approval"),
    "longest_lease": gettext_lazy("Longest lease"),
    "look_ahead": gettext_lazy("Look-ahead"),
    "most_open_reservations": gettext_lazy("Unfinished reservations of a project"),
    "most_hours": gettext_lazy("Device-hours booked ahead by a project"),
    "start_grace": gettext_lazy("Patience at the start"),
    "ends_unfit_leases": gettext_lazy("End leases of unfit devices"),
    "second_person": gettext_lazy("Two people for what cannot be taken back"),
    "vlan_pool": gettext_lazy("VLAN pool"),
}
POLICY_FIELDS = tuple(POLICY_TITLES)


def change_policy(
    *,
    site: Site,
    values: Mapping[str, Any],
    actor: User,
    now: datetime,
    reason: str = "",
    foreseen: str = "",
) -> PolicyChange | None:
    """Write the values and the note of what changed; return the note, or None if nothing did."""
    with transaction.atomic():
        kept = Site.objects.select_for_update(no_key=True).get(pk=site.pk)
        changes = changed_values(kept, values)
        if not changes:
            return None
        for name in changes:
            setattr(kept, name, values[name])
        kept.save(update_fields=list(changes))
        return PolicyChange.objects.create(
            site=kept, at=now, by=actor, changes=changes, reason=reason.strip()[:300], foreseen=foreseen[:300]
        )


def changed_values(site: Site, values: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return for each value that differs how it is said now, and how it would be."""
    return {
        name: [say_value(site, name, getattr(site, name)), say_value(site, name, values[name])]
        for name in POLICY_FIELDS
        if name in values and getattr(site, name) != values[name]
    }


def say_value(site: Site, name: str, value: Any) -> str:
    """Return a value of the policy for people."""
    if value is None or value == "":
        return _("no limit") if name != "vlan_pool" else _("none")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, timedelta):
        return _say_length(value)
    if name == "approval":
        return str(dict(Site.Approval.choices).get(value, value))
    return str(value)


def _say_length(length: timedelta) -> str:
    hours, rest = divmod(int(length.total_seconds()), 3600)
    days, hours = divmod(hours, 24)
    minutes = rest // 60
    parts = [
        f"{days} d" if days else "",
        f"{hours} h" if hours else "",
        f"{minutes} min" if minutes or not (days or hours) else "",
    ]
    return " ".join(part for part in parts if part)
