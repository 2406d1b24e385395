"""Public keys are read strictly, because they are put on other people's devices."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from accounts.keys import BadKey, read_public_key
from tests.callers import codes, script_of
from tests.factories import make_user


def line_of(key: object) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def key() -> str:
    return line_of(ed25519.Ed25519PrivateKey.generate())


def test_the_fingerprint_is_the_one_that_ssh_prints() -> None:
    known = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    assert read_public_key(known).fingerprint == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"


def test_type_and_key_are_kept_and_the_comment_comes_apart(key: str) -> None:
    read = read_public_key(f"  {key}  ada lovelace@laptop \n")
    assert read.line == key
    assert read.comment == "ada lovelace@laptop"


@pytest.mark.parametrize(
    "make", [lambda: ec.generate_private_key(ec.SECP256R1()), lambda: rsa.generate_private_key(65537, 2048)]
)
def test_other_good_keys_are_taken(make: object) -> None:
    line = line_of(make())  # type: ignore[operator]
    assert read_public_key(line).line == line


def test_what_is_no_good_key_is_refused(key: str) -> None:
    kind, body = key.split()
    weak = line_of(rsa.generate_private_key(65537, 1024))
    private = ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    )
    bad = [
        "",
        "x",
        kind,
        f"{kind} ",
        f"{kind} {body[:-8]}",
        f"{kind} {body}!",
        f"ssh-rsa {body}",
        f'command="rm -rf /" {key}',
        f"no-pty {key}",
        f"{key}\n{key}",
        f"{key} x\r{key}",
        f"{key} \x00",
        f"{key}\u2028{key}",
        f"{key} {'x' * 9000}",
        weak,
        private.decode(),
        f"ssh-dss {body}",
    ]
    for text in bad:
        with pytest.raises(BadKey):
            read_public_key(text)
    with pytest.raises(BadKey, match="private key"):
        read_public_key(private.decode())


URL = "/api/v1/ssh-keys/"


@pytest.mark.django_db
def test_a_key_is_added_listed_and_removed_by_its_owner_alone(key: str) -> None:
    owner, other = script_of(make_user()), script_of(make_user())
    added = owner.post(URL, {"public_key": f"{key} laptop"})
    assert added.status_code == 201, added.content
    assert added.json()["name"] == "laptop"
    assert added.json()["public_key"] == key
    assert [each["id"] for each in owner.get(URL).json()["results"]] == [added.json()["id"]]
    assert other.get(URL).json()["results"] == []
    assert codes(other.delete(f"{URL}{added.json()['id']}/")) == (404, "not_found")
    assert owner.delete(f"{URL}{added.json()['id']}/").status_code == 204
    assert owner.get(URL).json()["results"] == []


@pytest.mark.django_db
def test_a_key_is_added_once_by_each_owner(key: str) -> None:
    owner, other = script_of(make_user()), script_of(make_user())
    assert owner.post(URL, {"public_key": key, "name": "a"}).status_code == 201
    again = owner.post(URL, {"public_key": f"{key} again"})
    assert codes(again) == (400, "invalid")
    assert "before" in again.json()["errors"]["public_key"][0]
    assert other.post(URL, {"public_key": key}).status_code == 201


@pytest.mark.django_db
def test_a_bad_key_is_refused_in_words() -> None:
    answer = script_of(make_user()).post(URL, {"public_key": "no-pty ssh-ed25519 AAAA"})
    assert codes(answer) == (400, "invalid")
    assert "options" in answer.json()["errors"]["public_key"][0]
