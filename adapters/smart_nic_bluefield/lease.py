"""What a lease is called on a BMC: its account, its password and its tag.

An adapter keeps nothing, so all three are computed from the lease, its epoch and a secret of the
site. The tag carries a seal, because a holder with the role of an operator can write it too.
"""

import base64
import hashlib
import hmac
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from adapters.errors import InvalidSettings

PREFIX = "shy"
"""Every account of a lease begins with it, and no account of the site may."""
RECORD = "shr"
"""The closed accounts whose names record the firmware begin with it."""
PARTS = ("BMC", "NIC", "BSP")
"""Whose versions a record has, in this order."""
TAG = "shary:"
# 20 characters are the most that the BMC takes; none that a shell or a URL would read as its own.
LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789-_."
PASSWORD_LENGTH = 20


@dataclass(frozen=True, slots=True)
class Tag:
    """The lease that the card is said to carry."""

    lease_id: str
    epoch: int


class ForgedTag(ValueError):
    """The tag looks like a lease's and was not written by this site."""


class LeaseNames:
    """Names of leases, made with the site's key."""

    def __init__(self, key: str) -> None:
        if len(key.strip()) < 32:
            raise InvalidSettings(
                "The secret from which the leases' passwords are made is shorter than 32 characters."
            )
        self._key = key.strip().encode()

    def account(self, tag: Tag) -> str:
        """Return the user name: 16 characters, the most that every BMC takes."""
        return PREFIX + base64.b32encode(self._digest("account", tag))[:13].decode().lower()

    def password(self, tag: Tag) -> str:
        """Return the password: about 117 bits, within the BMC's rules."""
        return self._password("password", tag)

    # --- the record of the firmware ---

    def record_prefix(self, lease_id: str) -> str:
        """Return how the name of a lease's record begins, in whichever epoch."""
        return RECORD + self._letters("record", lease_id, 4)

    def record(self, lease_id: str, versions: Mapping[str, str]) -> str:
        """Return the name that records three versions: 16 characters, 15 bits for each version."""
        marks = "".join(self._mark(lease_id, part, version) for part, version in versions.items())
        return self.record_prefix(lease_id) + marks

    def is_recorded(self, record: str, lease_id: str, part: str, version: str) -> bool:
        """Say whether the record is of this version; `part` finds its place by the order of recording."""
        place = len(RECORD) + 4 + 3 * PARTS.index(part)
        return hmac.compare_digest(record[place : place + 3], self._mark(lease_id, part, version))

    def record_password(self, lease_id: str) -> str:
        """Return the password of a record, which nobody uses: it is closed."""
        return self._password("record password", Tag(lease_id, 0))

    def _mark(self, lease_id: str, part: str, version: str) -> str:
        return self._letters(f"version {part} {version}", lease_id, 3)

    def _letters(self, use: str, lease_id: str, length: int) -> str:
        return base64.b32encode(self._digest(use, Tag(lease_id, 0)))[:length].decode().lower()

    # --- the tag ---

    def write(self, tag: Tag) -> str:
        """Return the text of the tag, with its seal."""
        return f"{TAG}{tag.lease_id}:{tag.epoch}:{self._seal(tag)}"

    def read(self, text: str) -> Tag | None:
        """Return the lease named by the text; None when it names none, `ForgedTag` when the seal is wrong."""
        if not text.startswith(TAG):
            return None
        try:
            lease_id, epoch, seal = text.removeprefix(TAG).rsplit(":", 2)
            tag = Tag(lease_id, int(epoch))
        except ValueError as error:
            raise ForgedTag(text) from error
        if not hmac.compare_digest(seal.encode(), self._seal(tag).encode()):
            raise ForgedTag(text)
        return tag

    def _seal(self, tag: Tag) -> str:
        return base64.b32encode(self._digest("tag", tag))[:12].decode().lower()

    def _password(self, use: str, tag: Tag) -> str:
        for attempt in itertools.count():
            digest = self._digest(f"{use} {attempt}", tag)
            numbers = (int.from_bytes(digest[at : at + 3]) for at in range(0, 60, 3))
            password = "".join(LETTERS[number % len(LETTERS)] for number in numbers)
            if _is_acceptable(password):
                return password
        raise AssertionError("unreachable")

    def _digest(self, use: str, tag: Tag) -> bytes:
        return hmac.digest(self._key, f"{use}\n{tag.lease_id}\n{tag.epoch}".encode(), hashlib.sha512)


def _is_acceptable(password: str) -> bool:
    # The BMC counts pairs of neighbouring characters such as “ab” or “21” and takes at most 4.
    neighbours = sum(abs(ord(one) - ord(other)) == 1 for one, other in itertools.pairwise(password))
    return (
        neighbours <= 4
        and password[0].isalnum()
        and any(c.islower() for c in password)
        and any(c.isupper() for c in password)
        and any(c.isdigit() for c in password)
        and any(not c.isalnum() for c in password)
    )
