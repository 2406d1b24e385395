"""What stands at the left of the desk."""

from typing import Any, cast

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.admin import may_read
from accounts.models import User
from accounts.rules import reads_everything
from reservations.selectors.counts import desk_counts
from resources.operated import operated_site_ids


def navigation_for(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the ways from the desk: by the question they answer, and those for managers only to managers."""
    groups = [
        _group(
            "",
            (_("Today"), "today", "admin:index"),
            (_("Leases"), "event_available", "admin:reservations_lease_changelist"),
            (_("Reservations"), "calendar_month", "admin:reservations_reservation_changelist"),
            (_("Maintenance"), "build", "admin:resources_maintenancewindow_changelist"),
            (_("Slices"), "splitscreen", "admin:reservations_geometrychange_changelist"),
        ),
        _group(
            _("What"),
            (_("Devices"), "memory", "admin:resources_resource_changelist"),
            (_("Inventory"), "checklist", "admin:inventory"),
            (_("Cables"), "cable", "admin:cables"),
            (_("Sites"), "location_on", "admin:resources_site_changelist"),
            (_("Policy"), "policy", "admin:policy"),
            (_("Feeds"), "rss_feed", "admin:interop_reservationfeed_changelist"),
        ),
        _group(
            _("Evidence"),
            (_("History"), "history", "admin:reservations_leaseevent_changelist"),
            (_("Proofs"), "verified", "admin:reservations_proof_changelist"),
        ),
    ]
    if may_read(request):
        groups.append(
            _group(
                _("Who"),
                (_("People"), "person", "admin:accounts_user_changelist"),
                (_("Projects"), "group", "admin:accounts_project_changelist"),
                (_("Organisations"), "apartment", "admin:accounts_organisation_changelist"),
                (_("Sign-on"), "login", "admin:accounts_identityprovider_changelist"),
                (_("Messages"), "mail", "admin:reservations_outgoingmail_changelist"),
                (_("SSH keys"), "key", "admin:accounts_sshkey_changelist"),
            )
        )
    _count(request, groups)
    return groups


def _count(request: HttpRequest, groups: list[dict[str, Any]]) -> None:
    """Put beside a way how many things wait behind it."""
    everywhere = reads_everything(cast(User, request.user))
    counts = desk_counts(None if everywhere else operated_site_ids(request), now=timezone.now())
    badges = {
        reverse("admin:index"): (counts.all, "primary"),
        reverse("admin:reservations_lease_changelist"): (counts.leases, "warning"),
        reverse("admin:resources_resource_changelist"): (counts.devices, "danger"),
        reverse("admin:resources_maintenancewindow_changelist"): (counts.plans, "warning"),
    }
    for group in groups:
        for item in group["items"]:
            count, variant = badges.get(item["link"], (0, ""))
            if count:
                item |= {"badge": str(count), "badge_variant": variant}


def _group(title: str, *items: tuple[str, str, str]) -> dict[str, Any]:
    entries = [{"title": name, "icon": icon, "link": reverse(view)} for name, icon, view in items]
    return {"title": title, "items": entries, "separator": bool(title)}
