"""A provider, or whoever pretends to be one, that does not keep to the rules: nobody gets in.

Each case ends with no session, no account, no membership and no right.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from accounts.models import IdentityProvider
from tests.accounts.federation.conftest import Begun, assert_nobody, begin, census, register
from tests.identity.keys import signing_key
from tests.identity.oidc import OidcProvider, public_jwk

Attack = Callable[[OidcProvider, str], str | None]


def token(**changes: Any) -> Attack:
    """Return the attack of an ID token whose claims are changed so."""
    return lambda provider, nonce: provider.sign(provider.claims(nonce, **changes))


def in_s(seconds: int) -> int:
    return int(time.time()) + seconds


def with_the_public_key_as_secret(provider: OidcProvider, nonce: str) -> str:
    public = provider.key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = [{"alg": "HS256", "kid": provider.key.name}, provider.claims(nonce)]
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    mac = base64.urlsafe_b64encode(hmac.digest(public, signed, hashlib.sha256)).rstrip(b"=")
    return (signed + b"." + mac).decode()


def with_a_weak_key(provider: OidcProvider, nonce: str) -> str:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    described = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(weak.public_key()))
    provider.keys = {"keys": [described | {"kid": "weak", "use": "sig", "alg": "RS256"}]}
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        return jwt.encode(provider.claims(nonce), weak, algorithm="RS256", headers={"kid": "weak"})


def signature_cut_off(provider: OidcProvider, nonce: str) -> str:
    return provider.sign(provider.claims(nonce)).rpartition(".")[0] + "."


def claims_exchanged(provider: OidcProvider, nonce: str) -> str:
    head, _, signature = provider.sign(provider.claims(nonce)).split(".")
    _, body, _ = provider.sign(provider.claims(nonce, sub="somebody-else")).split(".")
    return f"{head}.{body}.{signature}"


def key_within_the_header(provider: OidcProvider, nonce: str) -> str:
    own = signing_key("attacker")
    return provider.sign(provider.claims(nonce), key=own, header={"jwk": public_jwk(own), "kid": "attacker"})


def key_for_encryption(provider: OidcProvider, nonce: str) -> str:
    provider.keys = {"keys": [public_jwk(provider.key, use="enc")]}
    return provider.sign(provider.claims(nonce))


TOKENS: dict[str, Attack] = {
    "another issuer": token(iss="https://login.evil.example"),
    "an issuer with a slash behind it": lambda p, n: p.sign(p.claims(n, iss=p.issuer + "/")),
    "no issuer": token(iss=None),
    "another audience": token(aud="some-other-portal"),
    "an empty audience": token(aud=[]),
    "no audience": token(aud=None),
    "several audiences and no azp": lambda p, n: p.sign(p.claims(n, aud=[p.client_id, "other"])),
    "several audiences and another azp": lambda p, n: p.sign(
        p.claims(n, aud=[p.client_id, "other"], azp="other")
    ),
    "one audience and another azp": token(azp="other"),
    "another nonce": token(nonce="of-another-sign-in"),
    "an empty nonce": token(nonce=""),
    "no nonce": token(nonce=None),
    "expired": lambda p, n: p.sign(p.claims(n, exp=in_s(-120), iat=in_s(-600))),
    "never expires": token(exp=None),
    "expires as a word": token(exp="soon"),
    "not yet valid": lambda p, n: p.sign(p.claims(n, nbf=in_s(600))),
    "issued in the future": lambda p, n: p.sign(p.claims(n, iat=in_s(600))),
    "no time of issue": token(iat=None),
    "no subject": token(sub=None),
    "an empty subject": token(sub=""),
    "a subject of spaces": token(sub="   "),
    "a subject with a space behind it": token(sub="person-1 "),
    "a number for a subject": token(sub=7),
    "a list for a subject": token(sub=["person-1", "person-2"]),
    "a subject of 4 KiB": token(sub="x" * 4096),
    "a subject with a control character": token(sub="person-1\x00"),
    "a subject that reads from right to left": token(sub="person-\u202e1"),
    "a subject in letters that look alike": token(sub="pеrson-1"),
    "not signed": lambda p, n: p.unsigned(p.claims(n), kid=p.key.name),
    "not signed, in capitals": lambda p, n: p.unsigned(p.claims(n), kid=p.key.name, algorithm="NoNe"),
    "the signature cut off": signature_cut_off,
    "the claims of another token": claims_exchanged,
    "signed with the public key as a secret": with_the_public_key_as_secret,
    "signed with the client secret": lambda p, n: p.sign(
        p.claims(n), algorithm="HS256", secret="between-us-and-longer-so-that-it-can-be-used"
    ),
    "signed with an unknown key": lambda p, n: p.sign(p.claims(n), key=signing_key("attacker")),
    "signed by another under a known name": lambda p, n: p.sign(
        p.claims(n), key=signing_key("attacker"), header={"kid": p.key.name}
    ),
    "signed with a key in its own header": key_within_the_header,
    "signed with a key for encryption": key_for_encryption,
    "signed with a weak key": with_a_weak_key,
    "no token at all": lambda p, n: None,
    "no token but words": lambda p, n: "certainly, it is them",
    "a token of half a megabyte": token(padding="x" * 500_000),
}


def attack(provider: OidcProvider, record: IdentityProvider, how: Attack) -> tuple[Begun, Any]:
    begun = begin(record)
    provider.id_token = how(provider, begun.nonce)
    provider.userinfo = {"sub": "person-1"}
    return begun, begun.come_back()


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_that_does_not_hold_signs_nobody_in(uni_a: OidcProvider, at_a: IdentityProvider, name: str):
    before = census()
    begun, answer = attack(uni_a, at_a, TOKENS[name])
    assert answer.status_code == 401
    assert "Nobody was signed in" in answer.content.decode() or "help desk" in answer.content.decode()
    assert_nobody(begun.client, before)


def test_the_same_answers_unchanged_do_sign_in(uni_a: OidcProvider, at_a: IdentityProvider):
    begun, answer = attack(uni_a, at_a, token())
    assert answer.status_code == 302
    assert "_auth_user_id" in begun.client.session


RETURNS: dict[str, dict[str, str | None]] = {
    "another state": {"state": "of-somebody-else"},
    "an empty state": {"state": ""},
    "no state": {"state": None},
    "another issuer": {"iss": "https://login.evil.example"},
    "no code": {"code": None},
    "an error": {"error": "server_error", "code": None},
    "an error with a code": {"error": "server_error"},
    "a refusal": {"error": "access_denied", "code": None},
}


@pytest.mark.parametrize("name", RETURNS)
def test_a_return_that_does_not_fit_signs_nobody_in(uni_a: OidcProvider, at_a: IdentityProvider, name: str):
    before = census()
    begun = begin(at_a)
    uni_a.id_token = uni_a.sign(uni_a.claims(begun.nonce))
    assert begun.come_back(**RETURNS[name]).status_code == 401
    assert_nobody(begun.client, before)


def test_a_provider_that_promises_to_name_itself_has_to(uni_a: OidcProvider, at_a: IdentityProvider):
    before = census()
    uni_a.discovery = {"authorization_response_iss_parameter_supported": True}
    begun = begin(at_a)
    uni_a.id_token = uni_a.sign(uni_a.claims(begun.nonce))
    assert begun.come_back().status_code == 401
    assert_nobody(begun.client, before)


def test_a_return_is_taken_once(uni_a: OidcProvider, at_a: IdentityProvider):
    begun = begin(at_a)
    uni_a.id_token = uni_a.sign(uni_a.claims(begun.nonce))
    assert begun.come_back().status_code == 302
    begun.client.logout()
    before = census()
    assert begun.come_back().status_code == 401
    assert_nobody(begun.client, before)


def test_a_return_works_in_the_browser_that_left_and_in_no_other(uni_a: OidcProvider, at_a: IdentityProvider):
    before = census()
    begun = begin(at_a)
    uni_a.id_token = uni_a.sign(uni_a.claims(begun.nonce))
    victim = Begun(Client(), at_a, begun.asked)
    assert victim.come_back().status_code == 401
    assert_nobody(victim.client, before)


def test_a_return_to_another_provider_signs_nobody_in(
    uni_a: OidcProvider, at_a: IdentityProvider, at_b: IdentityProvider
):
    before = census()
    begun = begin(at_a)
    uni_a.id_token = uni_a.sign(uni_a.claims(begun.nonce))
    assert begun.come_back(at_b).status_code == 401
    assert_nobody(begun.client, before)


def test_a_token_of_another_provider_signs_nobody_in(
    uni_a: OidcProvider, at_a: IdentityProvider, uni_b: OidcProvider, at_b: IdentityProvider
):
    before = census()
    begun = begin(at_a)
    uni_a.id_token = uni_b.sign(uni_b.claims(begun.nonce))
    uni_a.userinfo = {"sub": "person-1"}
    assert begun.come_back().status_code == 401
    assert_nobody(begun.client, before)


HTML = (200, {"Content-Type": "text/html"}, b"<h1>Please pay for the network first</h1>")
ANSWERS: dict[str, tuple[str, tuple[int, dict[str, str], bytes]]] = {
    "the description is a page": ("/.well-known/openid-configuration", HTML),
    "the description is a list": ("/.well-known/openid-configuration", (200, {}, b"[]")),
    "the description is nested": ("/.well-known/openid-configuration", (200, {}, b"[" * 100_000)),
    "the description sends elsewhere": (
        "/.well-known/openid-configuration",
        (302, {"Location": "http://169.254.169.254/"}, b""),
    ),
    "the description has no end": ("/.well-known/openid-configuration", (200, {}, b" " * (5 * 1024 * 1024))),
    "the description is an error": ("/.well-known/openid-configuration", (500, {}, b"{}")),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_description_that_cannot_be_read_stops_the_sign_in(
    uni_a: OidcProvider, at_a: IdentityProvider, name: str
):
    path, answer = ANSWERS[name]
    uni_a.raw = {path: answer}
    before = census()
    client = Client()
    assert client.post(reverse("openid_connect_login", args=[at_a.slug])).status_code == 401
    assert_nobody(client, before)


DESCRIPTIONS: dict[str, dict[str, Any]] = {
    "another issuer": {"issuer": "https://login.evil.example"},
    "no issuer": {"issuer": None},
    "no keys": {"jwks_uri": None},
    "no token endpoint": {"token_endpoint": None},
    "keys without encryption": {"jwks_uri": "http://keys.evil.example/"},
    "tokens without encryption": {"token_endpoint": "http://token.evil.example/"},
    "tokens from a file": {"token_endpoint": "file:///etc/passwd"},
    "people without encryption": {"userinfo_endpoint": "http://people.evil.example/"},
    "a sign-in page that is a script": {"authorization_endpoint": "javascript:alert(1)"},
    "an address with a password": {"token_endpoint": "https://user:secret@uni-a.example/"},
    "a number for an address": {"token_endpoint": 7},
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_description_that_leads_astray_stops_the_sign_in(
    uni_a: OidcProvider, at_a: IdentityProvider, name: str
):
    uni_a.discovery = DESCRIPTIONS[name]
    before = census()
    client = Client()
    assert client.post(reverse("openid_connect_login", args=[at_a.slug])).status_code == 401
    assert_nobody(client, before)


BACK_CHANNEL: dict[str, tuple[str, tuple[int, dict[str, str], bytes]]] = {
    "the token answer is a page": ("/token", HTML),
    "the token answer is a list": ("/token", (200, {"Content-Type": "application/json"}, b"[1]")),
    "the token answer is an error": ("/token", (400, {"Content-Type": "application/json"}, b'{"error": "no"}')),
    "the token answer sends elsewhere": ("/token", (307, {"Location": "http://127.0.0.1:1/"}, b"")),
    "the token answer has no end": ("/token", (200, {"Content-Type": "application/json"}, b" " * 5_000_000)),
    "the keys are a page": ("/keys", HTML),
    "the keys are words": ("/keys", (200, {}, b'{"keys": "none"}')),
    "the keys are numbers": ("/keys", (200, {}, b'{"keys": [1, 2]}')),
    "the keys are broken": (
        "/keys",
        (200, {}, b'{"keys": [{"kid": "uni-a", "kty": "RSA", "n": "!", "e": 3}]}'),
    ),
    "the keys are a shared secret": (
        "/keys",
        (200, {}, b'{"keys": [{"kid": "uni-a", "kty": "oct", "k": "c2VjcmV0"}]}'),
    ),
    "the person is a page": ("/userinfo", HTML),
    "the person is a list": ("/userinfo", (200, {"Content-Type": "application/json"}, b'["person-1"]')),
    "the person is somebody else": (
        "/userinfo",
        (200, {"Content-Type": "application/json"}, b'{"sub": "person-2"}'),
    ),
    "the person has no subject": ("/userinfo", (200, {"Content-Type": "application/json"}, b"{}")),
}


@pytest.mark.parametrize("name", BACK_CHANNEL)
def test_what_comes_behind_the_browser_is_not_trusted_either(
    uni_a: OidcProvider, at_a: IdentityProvider, name: str
):
    before = census()
    begun = begin(at_a)
    uni_a.id_token = uni_a.sign(uni_a.claims(begun.nonce))
    path, answer = BACK_CHANNEL[name]
    uni_a.raw = {path: answer}
    assert begun.come_back().status_code == 401
    assert_nobody(begun.client, before)


@pytest.mark.parametrize("where", ["sub", "email", "eduperson_principal_name", "voperson_id"])
def test_an_identity_for_tests_is_refused(uni_a: OidcProvider, at_a: IdentityProvider, where: str):
    before = census()
    begun = begin(at_a)
    said = {"sub": "person-1"} | {where: "Test@MyAccessID.org"}
    uni_a.id_token = uni_a.sign(uni_a.claims(begun.nonce, sub=said["sub"]))
    uni_a.userinfo = said
    assert begun.come_back().status_code == 401
    assert_nobody(begun.client, before)


@pytest.mark.parametrize(
    "issuer", ["http://login.uni-a.example", "http://127.0.0.1:9", "ftp://uni-a.example", "//uni-a.example"]
)
def test_a_provider_without_encryption_is_refused_outside_development(
    settings: LazySettings, db: None, uni_a: OidcProvider, issuer: str
):
    settings.SHARY_LOOPBACK_ISSUERS = False
    uni_a.issuer, real = issuer, uni_a.issuer
    try:
        record = register(uni_a)
    finally:
        uni_a.issuer = real
    before = census()
    client = Client()
    answer = client.post(reverse("openid_connect_login", args=[record.slug]))
    assert answer.status_code == 401
    assert "https://" in answer.content.decode()
    assert_nobody(client, before)


@pytest.mark.parametrize("process", ["connect", "redirect"])
def test_an_identity_cannot_be_joined_to_an_account_that_is_there(
    uni_a: OidcProvider, at_a: IdentityProvider, process: str
):
    client = Client()
    answer = client.post(
        reverse("openid_connect_login", args=[at_a.slug])
        + f"?process={process}&scope=admin&auth_params=prompt%3Dnone"
    )
    assert "prompt" not in answer.context["address"]
    assert "admin" not in answer.context["address"]
    states = client.session["socialaccount_states"]
    assert [state["process"] for state, _, _ in states.values()] == ["login"]


@pytest.mark.parametrize("path", ["3rdparty/", "3rdparty/signup/", "social/signup/", "3rdparty/login/error/"])
def test_the_pages_that_join_and_complete_accounts_are_closed(db: None, path: str):
    assert Client().get(f"/accounts/{path}").status_code == 404
