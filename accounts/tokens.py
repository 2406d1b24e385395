"""Personal tokens: how a script acts for its owner."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import PersonalToken, User
from accounts.rows import columns_of, instances

PREFIX = "shy_"
# Writing the moment of last use at every request would double the cost of a read.
LAST_USE_KEPT_EVERY = timedelta(minutes=1)


def issue_token(*, user: User, name: str, expires_at: datetime | None = None) -> tuple[PersonalToken, str]:
    """Make a token; return its row and its text, which is shown once and kept nowhere."""
    text = PREFIX + secrets.token_urlsafe(32)
    token = PersonalToken.objects.create(
        user=user, name=name, digest=_digest(text), prefix=text[:8], expires_at=expires_at
    )
    return token, text


class TokenAuthentication(BaseAuthentication):
    """Reads `Authorization: Bearer shy_…`."""

    def authenticate(self, request: Request) -> tuple[User, PersonalToken] | None:
        """Return the owner of the token; None when the request carries none."""
        scheme, _, text = get_authorization_header(request).decode("latin-1").partition(" ")
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
