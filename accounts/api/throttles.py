"""How often a person may ask: enough for any honest script, too little to hoard or to guess.

Two fixed windows are counted in the cache. The minute is counted for each token and each person's pages apart, so
that a script that runs wild does not lock its owner out; the hour is counted for all that a person does.
"""

import time
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.models import PersonalToken

log = structlog.get_logger(__name__)

MINUTE, HOUR = 60, 3600
SHUT = 1_000_000_000
COUNTED_BY = 10
"""The hour is counted in steps: counting it at every request would double what counting costs."""


class FairUse(BaseThrottle):
    """Counts requests by token, by person and, for strangers, by address."""

    retry_after = MINUTE

    def allow_request(self, request: Request, view: Any) -> bool:
        """Whether there is room for one more."""
        burst, sustained = settings.SHARY_REQUESTS_PER_MINUTE, settings.SHARY_REQUESTS_PER_HOUR
        if not burst and not sustained:
            return True
        now = int(time.time())
        person = f"u{request.user.pk}" if request.user.is_authenticated else f"a{self.get_ident(request)}"
        token = request.auth
        caller = f"t{token.pk}" if isinstance(token, PersonalToken) else person
        try:
            in_minute = _count(caller, now, MINUTE)
            in_hour = _count(person, now, HOUR, COUNTED_BY) if in_minute % COUNTED_BY == 0 else 0
        except RedisError as error:
            # Who may do what does not hang on this; an hour without counting is better than one without a portal.
            log.warning("throttle.not_counted", error=str(error))
            return True
        if sustained and in_hour > sustained:
            # The rest of the minute is shut, too; until the hour is over, a few requests a minute get through.
            cache.set(_key(caller, now, MINUTE), SHUT, MINUTE)
            self.retry_after = HOUR - now % HOUR
            return False
        if (burst and in_minute > burst) or in_minute >= SHUT:
            self.retry_after = MINUTE - now % MINUTE
            return False
        return True

    def wait(self) -> float:
        """Return for how long to be patient, in seconds: what `Retry-After` says."""
        return float(self.retry_after)


def _count(who: str, now: int, window_s: int, by: int = 1) -> int:
    key = _key(who, now, window_s)
    try:
        return cache.incr(key, by)
    except ValueError:
        cache.set(key, by, 2 * window_s)
        return by


def _key(who: str, now: int, window_s: int) -> str:
    return f"fair-use:{who}:{window_s}:{now // window_s}"
