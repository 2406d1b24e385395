"""The tests: real PostgreSQL, real broker, nothing sent to the world."""

from shary_portal.settings.base import *  # noqa: F403
from shary_portal.settings.base import database_from, env

DEBUG = False
SECRET_KEY = "only-for-tests"  # noqa: S105
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
DATABASES = {"default": database_from(env("DATABASE_URL", default="postgresql://shary@127.0.0.1:1/shary"))}
DATABASES["default"]["CONN_MAX_AGE"] = 0
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT = None  # files are served from where they lie
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True  # http://localhost
SHARY_HUB_KEY = "nTkHEW3PUbzQ9cfUXUg1aYd9cMsR1gVSd6nKkDpPVyY="
SHARY_FIELD_KEYS = ["3l2cKc5Tn0TnFUDtfCMOdxVlyTdDGeBRZqPvW8nAb1Q="]
SHARY_LOOPBACK_ISSUERS = True
