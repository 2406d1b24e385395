"""How often somebody may ask whose only guard is a secret address, and answers that tell nobody of it."""

from contextlib import suppress

from django.core.cache import cache
from django.http import HttpResponse
from redis.exceptions import RedisError


def has_had(name: str, most: int) -> bool:
    """Whether somebody has had as many answers in this minute as there are."""
    with suppress(RedisError):
        return int(cache.get(name, 0)) >= most
    return False


def count(name: str) -> None:
    """Count an answer."""
    with suppress(RedisError, ValueError):
        cache.add(name, 0, timeout=60)
        cache.incr(name)


def quiet(response: HttpResponse, *, cache_control: str = "no-store") -> HttpResponse:
    """Keep the address, in which a secret may stand, out of caches, of referrers and of Django's log."""
    response["Cache-Control"] = cache_control
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001 - Django asks it
    return response
