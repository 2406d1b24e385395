"""What all ways of running the portal share."""

from pathlib import Path
from typing import Any

import environ

from shary_portal.desk.theme import THEME

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = environ.Env()

# Where the quickstart keeps its state: database, broker, keys, sites' journals.
STATE_DIR = Path(env("SHARY_STATE_DIR", default=str(BASE_DIR / "var")))

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # before the admin, whose templates it replaces
    "shary_portal.desk.apps.DeskConfig",  # django.contrib.admin, for operators
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "accounts.federation.oidc",
    "accounts.federation.saml",
    "allauth.mfa",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
    "accounts",
    "resources",
    "reservations",
    "interop",
    "shary_portal",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "shary_portal.urls"
ASGI_APPLICATION = "shary_portal.asgi.application"
WSGI_APPLICATION = "shary_portal.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "shary_portal.quickstart.sign_in.demonstration_accounts",
            ],
        },
    },
]


def database_from(url: str, *, pooled: bool = False) -> dict[str, object]:
    """Return Django's description of the PostgreSQL at a URL; a socket folder may stand in `?host=`.

    `pooled` is for servers: under ASGI each request runs in a thread of its own, and would otherwise open a
    connection of its own.
    """
    description: dict[str, Any] = environ.Env.db_url_config(url)
    options = description.setdefault("OPTIONS", {})
    if "host" in options:
        description["HOST"] = options.pop("host")
    # Each of our statements is small. Where the planner thinks otherwise, starting parallel workers
    # or a compiler costs ten times what the statement does.
    options.setdefault("options", "-c max_parallel_workers_per_gather=0 -c jit=off")
    description["ENGINE"] = "django.db.backends.postgresql"
    if pooled:
        options.setdefault("pool", {"min_size": 1, "max_size": 12, "timeout": 10})
    description["CONN_MAX_AGE"] = 0 if pooled else 60
    description["CONN_HEALTH_CHECKS"] = True
    return description


AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.sso.PortalBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
# The sign-in page shows these with their passwords: only ever set by settings.development.
SHARY_DEMONSTRATION_ACCOUNTS: list[dict[str, str]] = []
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.sso.AccountPolicy"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
SOCIALACCOUNT_ADAPTER = "accounts.sso.SignOnPolicy"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = False
SOCIALACCOUNT_EMAIL_REQUIRED = False
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_STORE_TOKENS = False
# Providers answer for themselves on https; development and tests also know some on this very machine.
SHARY_LOOPBACK_ISSUERS = False
# Identities that providers keep for tests, and that are nobody: by subject, address or principal name.
SHARY_REFUSED_IDENTITIES = env.list("SHARY_REFUSED_IDENTITIES", default=["test@MyAccessID.org"])
# What this portal is called among SAML providers; empty: the address of its metadata.
SHARY_SAML_ENTITY_ID = env("SHARY_SAML_ENTITY_ID", default="")
# PEM texts: requests are signed with them, and answers can be encrypted to us.
SHARY_SAML_CERTIFICATE = env.str("SHARY_SAML_CERTIFICATE", default="", multiline=True)
SHARY_SAML_KEY = env.str("SHARY_SAML_KEY", default="", multiline=True)

# Rights over what is others' (operators, auditors, federation managers) count only with a second factor.
SHARY_REQUIRE_SECOND_FACTOR = env.bool("SHARY_REQUIRE_SECOND_FACTOR", default=False)
MFA_ADAPTER = "accounts.second_factor.SecondFactorPolicy"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1
# Addresses come from whoever vouches for the person; there is no page on which one would confirm them.
MFA_ALLOW_UNVERIFIED_EMAIL = True

# Keys, tokens and rights over what is others' ask again who one is, after so many seconds; 0: never.
SHARY_CONFIRM_EVERY_S = env.int("SHARY_CONFIRM_EVERY_S", default=0)
ACCOUNT_REAUTHENTICATION_TIMEOUT = SHARY_CONFIRM_EVERY_S or 900

# How many requests of the REST API one person may make; 0: as many as they like.
SHARY_REQUESTS_PER_MINUTE = env.int("SHARY_REQUESTS_PER_MINUTE", default=0)
SHARY_REQUESTS_PER_HOUR = env.int("SHARY_REQUESTS_PER_HOUR", default=0)
# How often one may try to sign in: “per address”, and “per account” for those that failed.
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "10/m/ip,5/5m/key", "reauthenticate": "10/m/user"}

LANGUAGE_CODE = "en"
# Each in its own words: whoever looks for it may not read the others.
LANGUAGES = [("en", "English"), ("it", "Italiano"), ("ja", "日本語")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "shary_language"
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = "shary_portal.formats"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The operators' desk (`shary_portal.desk`).
UNFOLD = THEME

STATIC_URL = "static/"
STATIC_ROOT: Path | None = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "style-src": ["'self'"],
        "script-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    },
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.tokens.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "accounts.api.permissions.WithinScope",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.api.throttles.FairUse"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "shary_portal.pagination.NewestFirst",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PARSER_CLASSES": [
        "shary_portal.parsers.BoundedJSONParser",
        "shary_portal.parsers.BoundedMultiPartParser",
    ],
    "DEFAULT_SCHEMA_CLASS": "shary_portal.schema.PortalSchema",
    "EXCEPTION_HANDLER": "shary_portal.problems.problem_response",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "SHARY",
    "DESCRIPTION": "Share any resource made easy: book scarce devices across sites.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}

# The broker is a doorbell: messages carry nothing that the database does not know.
CELERY_BROKER_URL = env("CELERY_BROKER_URL", default="redis://127.0.0.1:6379/0")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "hub"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 600}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_TIME_LIMIT = 300
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# The hub signs its orders with this key (see `adapters.contract.wire.new_key`).
SHARY_HUB_KEY = env("SHARY_HUB_KEY", default="")
# Encrypts what a lease's holder must be able to read back, such as one-lease passwords.
# Newest first; older ones still decrypt.
SHARY_FIELD_KEYS = env.list("SHARY_FIELD_KEYS", default=[])

# For how long devices are kept free for somebody who is about to book them.
SHARY_HOLD_MINUTES = env.int("SHARY_HOLD_MINUTES", default=5)
# For how long what came free is kept for the first on the wait list.
SHARY_OFFER_MINUTES = env.int("SHARY_OFFER_MINUTES", default=15)

# Where people reach the portal: it stands in what is mailed to them.
SHARY_URL = env("SHARY_URL", default="http://localhost:8000").rstrip("/")
DEFAULT_FROM_EMAIL = env("SHARY_MAIL_FROM", default="shary@localhost")
# A mail server that gives no answer must not keep a worker.
EMAIL_TIMEOUT = 15

# What leases make of their devices is kept by the minute for so many days, then by the hour; the hours for so
# many days (0: as long as the lease).
SHARY_USE_MINUTES_DAYS = env.int("SHARY_USE_MINUTES_DAYS", default=30)
SHARY_USE_HOURS_DAYS = env.int("SHARY_USE_HOURS_DAYS", default=0)
