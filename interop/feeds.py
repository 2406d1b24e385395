"""Feeds of reservations: made, taken back, and recognised when somebody asks."""

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest

from accounts.models import User
from interop.models import ReservationFeed
from reservations.errors import NotAllowed
from resources.models import Site
from resources.rules import may_operate

PREFIX = "s4r_"
_SHOWN = 12
# Writing the moment of last use at every request would double the cost of a read.
_LAST_USE_KEPT_EVERY = timedelta(minutes=1)
_NOBODYS = hashlib.sha256(b"").hexdigest()

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotTheirFeed(NotAllowed):
    """The person does not operate the site."""


def issue_feed(
    *, site: Site, name: str, networks: Iterable[str], with_secret: bool, actor: User
) -> tuple[ReservationFeed, str]:
    """Make a feed; return it and its secret, which is shown once and kept nowhere, or an empty text."""
    if not may_operate(actor, site):
        raise NotTheirFeed(f"Only operators of {site.name} make its feeds.")
    secret = PREFIX + secrets.token_urlsafe(32) if with_secret else ""
    feed = ReservationFeed.objects.create(
        site=site,
        name=name,
        networks=list(networks),
        prefix=secret[:_SHOWN] or None,
        digest=_digest(secret) if secret else "",
        created_by=actor,
    )
    return feed, secret


def revoke_feed(*, feed: ReservationFeed, actor: User, now: datetime) -> None:
    """Let nobody in by the feed any more; what was revoked stays so."""
    if not may_operate(actor, feed.site):
        raise NotTheirFeed(f"Only operators of {feed.site.name} revoke its feeds.")
    ReservationFeed.objects.filter(pk=feed.pk, revoked_at__isnull=True).update(revoked_at=now)


def feed_by_secret(text: str, *, address: Address | None) -> ReservationFeed | None:
    """Return the feed of a secret; None for a wrong or revoked one, and from where it may not be used."""
    # The database takes no text with a zero in it.
    known = text[:_SHOWN] if text.isprintable() else PREFIX
    feed = ReservationFeed.objects.select_related("site").filter(prefix=known, revoked_at__isnull=True).first()
    # As long for a secret that begins like one of ours as for any other.
    is_right = hmac.compare_digest(_digest(text), feed.digest if feed else _NOBODYS)
    if feed is None or not is_right or not _may_come_from(feed, address):
        return None
    return feed


def feed_by_address(slug: str, *, address: Address | None) -> ReservationFeed | None:
    """Return a feed of the site that asks for no secret and lets this address in."""
    feeds = ReservationFeed.objects.select_related("site").filter(
        Q(prefix__isnull=True, revoked_at__isnull=True, site__slug=slug) & ~Q(networks=[])
    )
    return next((feed for feed in feeds if _may_come_from(feed, address)), None)


def note_use(feed: ReservationFeed, *, address: Address | None, now: datetime) -> None:
    """Remember when the feed was last used, and from where."""
    if feed.last_used_at is None or now - feed.last_used_at > _LAST_USE_KEPT_EVERY:
        ReservationFeed.objects.filter(pk=feed.pk).update(
            last_used_at=now, last_used_from=str(address) if address else None
        )


def address_of(request: HttpRequest) -> Address | None:
    """Return from where a request comes; None when that cannot be known.

    What a visitor writes into `X-Forwarded-For` is theirs. Only what our own proxies append counts: the
    n-th entry from the right, for as many proxies as the portal was told of.
    """
    proxies = int(getattr(settings, "ALLAUTH_TRUSTED_PROXY_COUNT", 0))
    text = str(request.META.get("REMOTE_ADDR", ""))
    if proxies:
        passed_on = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).split(",")
        if len(passed_on) < proxies:
            return None
        text = passed_on[-proxies]
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _may_come_from(feed: ReservationFeed, address: Address | None) -> bool:
    if not feed.networks:
        return feed.has_secret
    return address is not None and any(
        address in ipaddress.ip_network(network, strict=False) for network in feed.networks
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
