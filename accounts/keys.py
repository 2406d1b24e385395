"""Public keys: read strictly, because they are put on other people's devices."""

import base64
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from django.db import IntegrityError, transaction
from django.dispatch import Signal

from accounts.models import SshKey, User

MOST_CHARACTERS = 8192
MOST_KEYS = 50
SHORTEST_RSA = 2048
LONGEST_RSA = 16384
ALLOWED = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)


# Who hands out devices wants to know; that is above this package, so it listens.
ssh_keys_changed = Signal()


class BadKey(ValueError):
    """The text is no key that could be put on a device; the words say why and what would do."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that was read: in one line, without options or comment."""

    line: str
    fingerprint: str
    comment: str


def read_public_key(text: str) -> PublicKey:
    """Return the one public key in the text; raise `BadKey` for anything else.

    Only the type and the key itself are kept. A comment comes back apart: it is somebody's free text,
    and has no business in a file that decides who gets in.
    """
    text = text.strip()
    if "PRIVATE KEY" in text:
        raise BadKey("This is a private key: keep it to yourself. Paste the file that ends in .pub.")
    if len(text) > MOST_CHARACTERS:
        raise BadKey(f"A public key has at most {MOST_CHARACTERS} characters; paste one key only.")
    if len(text.splitlines()) != 1 or any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise BadKey("A public key is one line; paste one key only.")
    kind, _, rest = text.partition(" ")
    encoded, _, comment = rest.strip().partition(" ")
    if kind not in ALLOWED:
        raise BadKey(
            "This does not begin with the type of a key that is accepted; options in front of it are not"
            f" either. Accepted: {', '.join(ALLOWED)}. A new one: ssh-keygen -t ed25519."
        )
    try:
        line = f"{kind} {encoded}"
        blob = base64.b64decode(encoded, validate=True)
        key = load_ssh_public_key(line.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKey(
            "This is not a whole public key; copy the line again, from the file ending in .pub."
        ) from error
    if isinstance(key, RSAPublicKey) and not SHORTEST_RSA <= key.key_size <= LONGEST_RSA:
        raise BadKey(
            f"An RSA key needs {SHORTEST_RSA} to {LONGEST_RSA} bits and this has {key.key_size};"
            " make a better one: ssh-keygen -t ed25519."
        )
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return PublicKey(line=line, fingerprint=f"SHA256:{digest}", comment=comment.strip())


def add_ssh_key(*, user: User, public_key: str, name: str = "") -> SshKey:
    """Keep a key for its owner; it is put on the devices of present and future leases."""
    key = read_public_key(public_key)
    if user.ssh_keys.count() >= MOST_KEYS:
        raise BadKey(f"You have {MOST_KEYS} keys; remove one that you no longer use.")
    try:
        with transaction.atomic():
            added = SshKey.objects.create(
                user=user,
                name=(name.strip() or key.comment or key.line.partition(" ")[0])[:100],
                public_key=key.line,
                fingerprint=key.fingerprint,
            )
            ssh_keys_changed.send(sender=SshKey, user=user)
            return added
    except IntegrityError as error:
        raise BadKey("You have added this key before.") from error


def remove_ssh_key(key: SshKey) -> None:
    """Forget a key; it is taken off the devices of its owner's leases."""
    with transaction.atomic():
        key.delete()
        ssh_keys_changed.send(sender=SshKey, user=key.user)
