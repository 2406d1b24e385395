"""An OpenID Connect provider that answers whatever a test wants it to: honest unless told otherwise."""

import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt

from tests.identity.keys import SigningKey, signing_key

CLIENT = "shary-portal"


class OidcProvider:
    """One issuer on the loopback interface."""

    def __init__(self, address: str, name: str) -> None:
        self.issuer = address
        self.name = name
        self.client_id = f"{CLIENT}-{name}"
        self.reset()

    def reset(self) -> None:
        """Be honest again."""
        self.key = signing_key(self.name)
        self.discovery: dict[str, Any] = {}
        """What its description says otherwise; None takes a field away."""
        self.keys: Any = None
        self.userinfo: Any = None
        """None: the claims of the person; else whatever is answered."""
        self.token_answer: Any = None
        self.person: dict[str, Any] = {}
        self.id_token: str | None = None
        self.token_requests: list[dict[str, str]] = []
        self.raw: dict[str, tuple[int, dict[str, str], bytes]] = {}
        """By path: an answer as it is, for those who do not speak the protocol at all."""

    def claims(self, nonce: str, /, **changes: Any) -> dict[str, Any]:
        """Return what an ID token says; a change to None takes a claim away."""
        now = int(time.time())
        said = {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": "person-1",
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
        }
        return {name: value for name, value in (said | self.person | changes).items() if value is not None}

    def sign(
        self,
        claims: Mapping[str, Any],
        *,
        key: SigningKey | None = None,
        algorithm: str = "RS256",
        header: Mapping[str, Any] | None = None,
        secret: str | None = None,
    ) -> str:
        """Return an ID token."""
        signer = key or self.key
        return jwt.encode(
            dict(claims),
            secret if secret is not None else signer.private,
            algorithm=algorithm,
            headers={"kid": signer.name} | dict(header or {}),
        )

    @staticmethod
    def unsigned(claims: Mapping[str, Any], *, kid: str, algorithm: str = "none") -> str:
        """Return a token without a signature."""
        parts = [{"alg": algorithm, "typ": "JWT", "kid": kid}, dict(claims)]
        return (
            ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
            + "."
        )

    def answer(self, path: str, form: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body."""
        if path in self.raw:
            return self.raw[path]
        if path == "/.well-known/openid-configuration":
            described = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "jwks_uri": f"{self.issuer}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            } | self.discovery
            return _json({name: value for name, value in described.items() if value is not None})
        if path == "/keys":
            return _json({"keys": [public_jwk(self.key)]} if self.keys is None else self.keys)
        if path == "/token":
            self.token_requests.append(dict(form))
            return _json(
                self.token_answer
                or {
                    "access_token": "opaque",
                    "token_type": "Bearer",
                    "expires_in": 60,
                    "id_token": self.id_token,
                }
            )
        if path == "/userinfo":
            return _json({"sub": "person-1"} | self.person if self.userinfo is None else self.userinfo)
        return 404, {}, b""


def public_jwk(key: SigningKey, **changes: Any) -> dict[str, Any]:
    """Return the public half of a key as a provider publishes it."""
    described = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.private.public_key()))
    return described | {"kid": key.name, "use": "sig", "alg": "RS256"} | changes


def _json(what: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(what).encode()


@contextmanager
def oidc_provider(name: str) -> Iterator[OidcProvider]:
    """Run a provider for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self._answer({name: values[0] for name, values in parse_qs(body).items()})

        def _answer(self, form: Mapping[str, str]) -> None:
            status, headers, body = provider.answer(urlsplit(self.path).path, form)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):  # the portal had read enough
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = OidcProvider(f"http://127.0.0.1:{server.server_port}", name)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
