"""A portal that others use. Everything comes from the environment; docs/deployment.md lists it."""

from shary_portal.settings.base import *  # noqa: F403
from shary_portal.settings.base import database_from, env

DEBUG = False
SECRET_KEY = env("SHARY_SECRET_KEY")
ALLOWED_HOSTS = env.list("SHARY_HOSTS")
SHARY_URL = env("SHARY_URL", default=f"https://{ALLOWED_HOSTS[0].lstrip('.*')}").rstrip("/")
CSRF_TRUSTED_ORIGINS = [f"https://{host.lstrip('.')}" for host in ALLOWED_HOSTS if host != "*"]
DATABASES = {"default": database_from(env("DATABASE_URL"), pooled=True)}

CELERY_BROKER_URL = env("CELERY_BROKER_URL")
SHARY_HUB_KEY = env("SHARY_HUB_KEY")
SHARY_FIELD_KEYS = env.list("SHARY_FIELD_KEYS")

# Limits on requests are counted here, so all web processes must see the same numbers.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env("SHARY_CACHE_URL", default=CELERY_BROKER_URL),
    }
}

SHARY_REQUIRE_SECOND_FACTOR = env.bool("SHARY_REQUIRE_SECOND_FACTOR", default=True)
SHARY_CONFIRM_EVERY_S = env.int("SHARY_CONFIRM_EVERY_S", default=4 * 3600)
ACCOUNT_REAUTHENTICATION_TIMEOUT = SHARY_CONFIRM_EVERY_S or 900
SHARY_REQUESTS_PER_MINUTE = env.int("SHARY_REQUESTS_PER_MINUTE", default=600)
SHARY_REQUESTS_PER_HOUR = env.int("SHARY_REQUESTS_PER_HOUR", default=12_000)

SECURE_SSL_REDIRECT = env.bool("SHARY_SSL_REDIRECT", default=True)
SECURE_HSTS_SECONDS = env.int("SHARY_HSTS_SECONDS", default=365 * 24 * 3600)
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-session"
CSRF_COOKIE_SECURE = True
X_FRAME_OPTIONS = "DENY"
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https"
# Only behind a proxy that sets this header itself: otherwise anybody could claim to have come by TLS.
if env.bool("SHARY_BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    ALLAUTH_TRUSTED_PROXY_COUNT = env.int("SHARY_PROXIES", default=1)

STATIC_ROOT = env("SHARY_STATIC_ROOT", default=str(STATIC_ROOT))  # noqa: F405
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "filters": {"without_secrets": {"()": "interop.logs.WithoutSecrets"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["without_secrets"]}
    },
    # A refusal is an answer, not a warning: one line for each would drown the rest.
    "loggers": {"django.request": {"level": "ERROR"}},
    "root": {"handlers": ["console"], "level": env("SHARY_LOG_LEVEL", default="INFO")},
}
