"""What stands at the left of the desk."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from accounts.admin import may_read


def navigation_for(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the ways from the desk: by the question they answer, and those for managers only to managers."""
    groups = [
        _group(
            "",
            ("Today", "today", "admin:index"),
            ("Leases", "event_available", "admin:reservations_lease_changelist"),
            ("Reservations", "calendar_month", "admin:reservations_reservation_changelist"),
            ("Maintenance", "build", "admin:resources_maintenancewindow_changelist"),
            ("Slices", "splitscreen", "admin:reservations_geometrychange_changelist"),
        ),
        _group(
            "What",
            ("Devices", "memory", "admin:resources_resource_changelist"),
            ("Inventory", "checklist", "admin:inventory"),
            ("Cables", "cable", "admin:cables"),
            ("Sites", "location_on", "admin:resources_site_changelist"),
            ("Feeds", "rss_feed", "admin:interop_reservationfeed_changelist"),
        ),
        _group(
            "Evidence",
            ("History", "history", "admin:reservations_leaseevent_changelist"),
            ("Proofs", "verified", "admin:reservations_proof_changelist"),
        ),
    ]
    if may_read(request):
        groups.append(
            _group(
                "Who",
                ("People", "person", "admin:accounts_user_changelist"),
                ("Projects", "group", "admin:accounts_project_changelist"),
                ("Organisations", "apartment", "admin:accounts_organisation_changelist"),
                ("Sign-on", "login", "admin:accounts_identityprovider_changelist"),
                ("Messages", "mail", "admin:reservations_outgoingmail_changelist"),
                ("SSH keys", "key", "admin:accounts_sshkey_changelist"),
            )
        )
    return groups


def _group(title: str, *items: tuple[str, str, str]) -> dict[str, Any]:
    entries = [{"title": name, "icon": icon, "link": reverse(view)} for name, icon, view in items]
    return {"title": title, "items": entries, "separator": bool(title)}
