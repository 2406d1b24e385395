"""The pages of *who*: projects, invitations, one's account."""

from datetime import datetime
from typing import Any

from accounts.models import User


def config_for(user: User, *, now: datetime) -> dict[str, Any]:
    """Return what the scripts of a page have to know about the person."""
    return {
        "time_zone": user.time_zone,
        "user": {"username": user.username, "name": str(user)},
        "projects": [{"slug": each.slug, "name": each.name} for each in user.projects.all()],
        "has_ssh_key": user.ssh_keys.exists(),
        "now": now,
    }
