"""How moments and lengths are said to people: always with the zone."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from accounts.models import User
from reservations.measured import UseSummary


def zone_of(user: User | None) -> str:
    """Return the zone that a person reads times in; UTC when they chose none."""
    return (user.time_zone if user else "") or "UTC"


def say_moment(moment: datetime, zone: str = "UTC") -> str:
    """Return a moment for people: “Mon 23 Nov 14:30 (Europe/Rome)”."""
    return f"{moment.astimezone(ZoneInfo(zone)):%a %d %b %H:%M} ({zone})"


def say_length(length: timedelta) -> str:
    """Return a length for people: “2 days 3 h”, “45 min”."""
    minutes = int(length.total_seconds()) // 60
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{days} days" if days > 1 else "1 day" if days else "", f"{hours} h" if hours else ""]
    parts.append(f"{minutes} min" if minutes else "")
    return " ".join(part for part in parts if part) or "less than a minute"


def say_use(use: UseSummary) -> str:
    """Return a lease's use for people: “62 % busy on average, over 3 h on 2 cards”, or why nobody knows."""
    if use.mean_percent is None:
        return f"Not measured: {use.unmeasured}" if use.unmeasured else "Not measured"
    over = say_length(timedelta(seconds=use.measured_s / max(use.devices, 1)))
    cards = f" on {use.devices} cards" if use.devices > 1 else ""
    return f"{use.mean_percent:.0f} % busy on average, over {over}{cards}"
