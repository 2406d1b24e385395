"""Calendar feeds: made, taken back, and recognised by the secret in their address."""

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.federation.standing import usable_accounts
from accounts.models import Project, User
from accounts.rules import PROJECT, roles_in
from interop.models import CalendarFeed
from reservations.errors import Invalid, NotAllowed, NotFound
from resources.models import Resource

PREFIX = "shc_"
MOST_FEEDS = 50
# Writing the moment of last use at every request would double the cost of a read.
_LAST_USE_KEPT_EVERY = timedelta(minutes=1)


def issue_calendar_feed(
    *,
    owner: User,
    scope: str,
    project: Project | None = None,
    resource: Resource | None = None,
    shows_details: bool = False,
) -> tuple[CalendarFeed, str]:
    """Make a feed; return it and its secret of 256 bits, which is shown once and kept nowhere."""
    if scope == CalendarFeed.Scope.PROJECT:
        if project is None:
            raise Invalid({"project": [_("Say which project.")]})
        if not _may_read(owner, project):
            raise NotAllowed(
                _("You are not a member of “%(project)s”; choose one of your projects.")
                % {"project": project.slug}
            )
    if scope == CalendarFeed.Scope.RESOURCE and resource is None:
        raise Invalid({"resource": [_("Say which device.")]})
    if owner.calendar_feeds.filter(revoked_at=None).count() >= MOST_FEEDS:
        raise NotAllowed(
            _("You have %(count)s feeds; revoke those that you no longer use.") % {"count": MOST_FEEDS}
        )
    secret = PREFIX + secrets.token_urlsafe(32)
    feed = CalendarFeed.objects.create(
        owner=owner,
        scope=scope,
        project=project if scope == CalendarFeed.Scope.PROJECT else None,
        resource=resource if scope == CalendarFeed.Scope.RESOURCE else None,
        # Of one's own there is nobody to hide it from but whoever finds the address.
        shows_details=shows_details,
        digest=_digest(secret),
    )
    return feed, secret


def revoke_calendar_feed(*, feed_id: UUID, owner: User, now: datetime) -> None:
    """Let nobody in by the address any more; what was revoked stays so."""
    if not CalendarFeed.objects.filter(pk=feed_id, owner=owner).exists():
        raise NotFound(_("There is no such feed of yours."))
    CalendarFeed.objects.filter(pk=feed_id, owner=owner, revoked_at=None).update(revoked_at=now)


def calendar_feed_by_secret(text: str) -> CalendarFeed | None:
    """Return the feed of a secret while it is in force; its owner has to be somebody who may sign in.

    The digest of 256 random bits is looked up as it is: nobody can approach it step by step.
    """
    feed = (
        CalendarFeed.objects.select_related("owner", "project", "resource__site")
        .filter(digest=_digest(text), revoked_at=None, owner__in=usable_accounts())
        .first()
    )
    if feed is None or (feed.project is not None and not _may_read(feed.owner, feed.project)):
        return None
    return feed


def note_use(feed: CalendarFeed, *, program: str, now: datetime) -> None:
    """Remember when the feed was last read, and by what."""
    if feed.last_used_at is None or now - feed.last_used_at > _LAST_USE_KEPT_EVERY:
        shown = "".join(char for char in program if char.isprintable())[:120]
        CalendarFeed.objects.filter(pk=feed.pk).update(last_used_at=now, last_used_by=shown)


def _may_read(user: User, project: Project) -> bool:
    return bool(roles_in(user, project.pk) & PROJECT["see"])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
