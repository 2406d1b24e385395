"""`make run`: everything on this machine, for one person at a time."""

from shary_portal.settings.base import *  # noqa: F403
from shary_portal.settings.base import STATE_DIR, database_from, env

DEBUG = env.bool("SHARY_DEBUG", default=False)
SECRET_KEY = env("SHARY_SECRET_KEY", default="only-for-development")  # the quickstart makes a real one
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
DATABASES = {
    "default": database_from(
        env("DATABASE_URL", default=f"postgresql://shary@/shary?host={STATE_DIR}/postgres")
    )
}
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
WHITENOISE_USE_FINDERS = True
