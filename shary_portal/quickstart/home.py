"""The demonstration's home institution: an OpenID Connect provider on this machine, for whoever sits at it.

It asks for no password, so it listens on the loopback interface alone, and answers to this portal alone:
`python -m shary_portal.quickstart.home FILE`, where FILE says the port, the client, its secret and the callbacks.
"""

import base64
import hashlib
import hmac
import json
import secrets
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from shary_portal.quickstart.federation import HOME, Newcomer

CODE_LASTS_S = 60
LONGEST_BODY = 16 * 1024
_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 24rem; margin: 0 auto; padding: 12vh 1rem 3rem; }
h1 { font-size: 1.25rem; margin: 0; }
button { display: block; width: 100%; min-height: 44px; margin: .5rem 0; padding: .5rem .75rem; font: inherit;
  text-align: left; border: 1px solid #8b8e94; border-radius: 4px; background: none; color: inherit; cursor: pointer; }
button:hover, button:focus-visible { border-color: #1d55c4; outline: 1px solid #1d55c4; }
small { display: block; }
"""


@dataclass(frozen=True, slots=True)
class Granted:
    """What a code stands for, for a moment."""

    person: Newcomer
    nonce: str
    challenge: str
    callback: str
    until: float


class Home:
    """The provider: who is there, who asks, and what was granted."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.issuer = f"http://127.0.0.1:{settings['port']}"
        self.client_id: str = settings["client_id"]
        self.secret: str = settings["client_secret"]
        self.callbacks: list[str] = settings["callbacks"]
        self.people = {person.subject: person for person in HOME.people}
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._key_name = secrets.token_hex(8)
        self._codes: dict[str, Granted] = {}
        self._tokens: dict[str, Newcomer] = {}
        self._lock = threading.Lock()

    def description(self) -> dict[str, Any]:
        """Return what the portal has to know."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "scopes_supported": [
                "openid",
                "profile",
                "email",
                "eduperson_entitlement",
                "schac_home_organization",
            ],
        }

    def keys(self) -> dict[str, Any]:
        """Return the public half of the key that signs."""
        described = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [described | {"kid": self._key_name, "use": "sig", "alg": "ES256"}]}

    def is_asked_well(self, asked: Mapping[str, str]) -> bool:
        """Whether it is this portal that asks, and how it should."""
        return (
            asked.get("client_id") == self.client_id
            and asked.get("redirect_uri") in self.callbacks
            and asked.get("response_type") == "code"
            and asked.get("code_challenge_method") == "S256"
            and bool(asked.get("code_challenge"))
        )

    def grant(self, asked: Mapping[str, str], subject: str) -> str:
        """Return where the browser goes on to, with a code for the person."""
        code = secrets.token_urlsafe(24)
        with self._lock:
            self._codes[code] = Granted(
                self.people[subject],
                asked.get("nonce", ""),
                asked["code_challenge"],
                asked["redirect_uri"],
                time.monotonic() + CODE_LASTS_S,
            )
        told = {"code": code, "state": asked.get("state", ""), "iss": self.issuer}
        return f"{asked['redirect_uri']}?{urlencode(told)}"

    def redeem(self, form: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the tokens that a code is good for, once."""
        with self._lock:
            granted = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            granted is None
            or granted.until < time.monotonic()
            or form.get("client_id") != self.client_id
            or not hmac.compare_digest(form.get("client_secret", "").encode(), self.secret.encode())
            or form.get("redirect_uri") != granted.callback
            or not hmac.compare_digest(challenge, granted.challenge)
        ):
            return None
        access, now = secrets.token_urlsafe(24), int(time.time())
        with self._lock:
            self._tokens[access] = granted.person
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": granted.person.subject,
            "iat": now,
            "exp": now + 300,
            "nonce": granted.nonce,
        }
        signed = jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._key_name})
        return {"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": signed}

    def says_of(self, authorization: str) -> dict[str, Any] | None:
        """Return what there is to say of the person whom a token is for."""
        with self._lock:
            person = self._tokens.get(authorization.removeprefix("Bearer "))
        return None if person is None else person.claims()

    def page(self, asked: Mapping[str, str]) -> str:
        """Return the page on which one chooses who one is."""
        hidden = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in asked.items()
        )
        buttons = "".join(
            f'<button name="subject" value="{escape(person.subject)}">{escape(person.name)}'
            f"<small>{escape(person.says)}</small></button>"
            for person in self.people.values()
        )
        return _page(
            f"<h1>{escape(HOME.name)}</h1><p>The demonstration’s home institution. Who are you?</p>"
            f'<form method="post" action="/authorize">{hidden}{buttons}</form>'
        )


def _page(body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign in at home</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>"
    )


def serve(settings: Mapping[str, Any]) -> None:
    """Answer until the process is ended."""
    home = Home(settings)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/.well-known/openid-configuration":
                self._json(home.description())
            elif parts.path == "/keys":
                self._json(home.keys())
            elif parts.path == "/userinfo":
                self._json(home.says_of(self.headers.get("Authorization", "")), otherwise=401)
            elif parts.path == "/authorize" and home.is_asked_well(asked := _plain(parts.query)):
                self._say(200, home.page(asked).encode(), "text/html; charset=utf-8")
            else:
                self._lost()

        def do_POST(self) -> None:
            length = min(int(self.headers.get("Content-Length") or 0), LONGEST_BODY)
            form = _plain(self.rfile.read(length).decode(errors="replace"))
            if self.path == "/token":
                self._json(home.redeem(form), otherwise=400)
            elif self.path == "/authorize" and home.is_asked_well(form) and form.get("subject") in home.people:
                self._say(303, b"", "text/plain", Location=home.grant(form, form["subject"]))
            else:
                self._lost()

        def _lost(self) -> None:
            page = _page("<h1>Nothing is here</h1><p>Begin at the portal’s sign-in page.</p>")
            self._say(404, page.encode(), "text/html; charset=utf-8")

        def _json(self, what: dict[str, Any] | None, *, otherwise: int = 404) -> None:
            status, said = (otherwise, {"error": "invalid_request"}) if what is None else (200, what)
            self._say(status, json.dumps(said).encode(), "application/json")

        def _say(self, status: int, body: bytes, kind: str, **headers: str) -> None:
            self.send_response(status)
            told = {"Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": "no-store"}
            for name, value in (told | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: who signs in is the portal's to log."""

    ThreadingHTTPServer.daemon_threads = True
    with ThreadingHTTPServer(("127.0.0.1", settings["port"]), Handler) as server:
        server.serve_forever()


def _plain(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


if __name__ == "__main__":
    serve(json.loads(Path(sys.argv[1]).read_text()))
