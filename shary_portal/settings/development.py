"""`make run`: everything on this machine, for one person at a time."""

import os
from pathlib import Path

import environ

# Where `make run` notes the addresses and keys it made, so that `manage.py` finds them beside it.
_HERE = Path(__file__).resolve().parent.parent.parent
_NOTED = Path(os.environ.get("SHARY_STATE_DIR", _HERE / "var")) / "portal.env"
if _NOTED.exists():
    environ.Env.read_env(_NOTED)  # the environment goes first

from shary_portal.quickstart import federation  # noqa: E402
from shary_portal.settings.base import *  # noqa: E402, F403
from shary_portal.settings.base import STATE_DIR, database_from, env  # noqa: E402

DEBUG = env.bool("SHARY_DEBUG", default=False)
SECRET_KEY = env("SHARY_SECRET_KEY", default="only-for-development")  # the quickstart makes a real one
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *env.list("SHARY_HOSTS", default=[])]
DATABASES = {
    "default": database_from(
        env("DATABASE_URL", default=f"postgresql://shary@/shary?host={STATE_DIR}/postgres/socket"), pooled=True
    )
}
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = STATE_DIR / "mail"
WHITENOISE_USE_FINDERS = True
SHARY_LOOPBACK_ISSUERS = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True  # http://localhost
_PASSWORD = env("SHARY_DEMONSTRATION_PASSWORD", default="")
SHARY_DEMONSTRATION_ACCOUNTS = [
    {"email": person.email, "password": _PASSWORD, "role": person.says}
    for person in federation.PEOPLE
    if _PASSWORD
]
STATIC_ROOT = None  # files are served from where they lie

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "filters": {"without_secrets": {"()": "interop.logs.WithoutSecrets"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["without_secrets"]}
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {app: {"level": "INFO"} for app in ("accounts", "resources", "reservations", "shary_portal")},
}
