"""Personal tokens: how a script acts for its owner."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import PersonalToken, User
from accounts.rows import columns_of, instances
from accounts.scopes import Scope
from accounts.telling import tell

PREFIX = "shy_"
VALID_FOR = timedelta(days=90)
LONGEST = timedelta(days=366)
WARNED_BEFORE = timedelta(days=7)
# Writing the moment of last use at every request would double the cost of a read.
LAST_USE_KEPT_EVERY = timedelta(minutes=1)


def issue_token(
    *, user: User, name: str, expires_at: datetime | None = None, scopes: Iterable[Scope] = tuple(Scope)
) -> tuple[PersonalToken, str]:
    """Make a token; return its row and its text, which is shown once and kept nowhere."""
    text = PREFIX + secrets.token_urlsafe(32)
    token = PersonalToken.objects.create(
        user=user,
        name=name,
        digest=_digest(text),
        prefix=text[:8],
        expires_at=expires_at or timezone.now() + VALID_FOR,
        scopes=[scope.value for scope in Scope if scope in set(scopes)],
    )
    return token, text


def warn_of_expiring_tokens(*, now: datetime) -> int:
    """Tell the owners of tokens that end within a week; return how many tokens that are. Each is told of once."""
    soon = PersonalToken.objects.select_related("user").filter(
        expires_at__gt=now, expires_at__lte=now + WARNED_BEFORE, user__is_active=True
    )
    for token in soon:
        ends = (token.expires_at or now).astimezone(ZoneInfo(token.user.time_zone or "UTC"))
        with override(token.user.language or "en"):
            tell(
                token.user,
                key=f"token:{token.pk}:{ends.isoformat()}",
                subject=_("Your token “%(name)s” expires soon") % {"name": token.name},
                body=_(
                    "Your token “%(name)s” (%(prefix)s…) works until %(until)s. If a script still needs it,"
                    " make a new one under Keys and tokens."
                )
                % {"name": token.name, "prefix": token.prefix, "until": f"{ends:%Y-%m-%d %H:%M %Z}"},
                now=now,
            )
    return len(soon)


class TokenAuthentication(BaseAuthentication):
    """Reads `Authorization: Bearer shy_…`."""

    def authenticate(self, request: Request) -> tuple[User, PersonalToken] | None:
        """Return the owner of the token; None when the request carries none."""
        scheme, _space, text = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        now = timezone.now()
        token = _valid_token(_digest(text.strip()), now)
        if token is None or not token.user.is_active:
            raise AuthenticationFailed("This token is unknown, expired or revoked; make a new one under Keys.")
        if token.last_used_at is None or now - token.last_used_at > LAST_USE_KEPT_EVERY:
            PersonalToken.objects.filter(pk=token.pk).update(last_used_at=now)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Tell a stranger how to sign in, so that the answer is 401 and not 403."""
        return "Bearer"


_FIND = f"""
SELECT {columns_of(PersonalToken).under("t")}, {columns_of(User).under("u")}
FROM accounts_personaltoken t JOIN accounts_user u ON u.id = t.user_id
WHERE t.digest = %s AND (t.expires_at IS NULL OR t.expires_at > %s)
  AND NOT EXISTS (
    SELECT 1 FROM socialaccount_socialaccount s JOIN accounts_identityprovider p ON p.slug = s.provider
    WHERE s.user_id = u.id AND NOT p.is_enabled
  )
"""  # noqa: S608 - put together from the names of columns only


def _valid_token(digest: str, now: datetime) -> PersonalToken | None:
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [digest, now])
        row = cursor.fetchone()
    if row is None:
        return None
    token: PersonalToken
    token, token.user = instances(row, PersonalToken, User)
    return token


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
