"""A real OpenID Connect provider: allauth’s, in a Django of its own, in a process of its own.

`python -m tests.identity.allauth_provider FOLDER CALLBACK` prints its address once it listens. There is one
person, `researcher` with the password `at-home`, and one client, `shary-portal` with the secret `between-us`.
"""

import json
import sys
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

CLIENT, SECRET = "shary-portal", "between-us"
PERSON, PASSWORD = "researcher", "at-home"
SCOPES = ("openid", "profile", "email", "eduperson_entitlement", "schac_home_organization")


def configure(folder: Path) -> None:
    """Set up a Django that does nothing else."""
    from tests.identity.keys import signing_key

    settings.configure(
        DEBUG=False,
        SECRET_KEY="only-for-tests",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="tests.identity.allauth_urls",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "provider.sqlite3"}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "allauth",
            "allauth.account",
            "allauth.idp.oidc",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "allauth.account.middleware.AccountMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ACCOUNT_EMAIL_VERIFICATION="none",
        # Cookies know no ports: those of the portal lie beside them.
        SESSION_COOKIE_NAME="at_home_session",
        CSRF_COOKIE_NAME="at_home_csrf",
        IDP_OIDC_ADAPTER="tests.identity.allauth_claims.Claims",
        IDP_OIDC_PRIVATE_KEY=signing_key("allauth").key_pem,
        USE_TZ=True,
    )
    django.setup()


class Quiet(WSGIRequestHandler):
    """A handler that says nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main(folder: Path, callback: str) -> None:
    """Serve until the process is ended."""
    configure(folder)
    from allauth.idp.oidc.models import Client
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    call_command("migrate", verbosity=0)
    get_user_model().objects.create_user(PERSON, password=PASSWORD)
    client: Any = Client(
        id=CLIENT, name="SHARY", skip_consent=True, redirect_uris=callback, scopes="\n".join(SCOPES)
    )
    client.set_secret(SECRET)
    client.save()
    with make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet) as server:
        described = {"issuer": f"http://127.0.0.1:{server.server_port}"}
        sys.stdout.write(json.dumps(described) + "\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
