"""Text that the database keeps encrypted."""

from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

if TYPE_CHECKING:
    _TextField = models.TextField[str, str]
else:
    _TextField = models.TextField


class EncryptedTextField(_TextField):
    """Text encrypted with the first of `SHARY_FIELD_KEYS`; all of them decrypt.

    Put a new key first to rotate; drop the old one once no row needs it.
    """

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt on the way to the database."""
        value = super().get_prep_value(value)
        return value if not value else _cipher().encrypt(value.encode()).decode()

    def from_db_value(self, value: str | None, *_: object) -> str | None:
        """Decrypt on the way back."""
        return value if not value else _cipher().decrypt(value.encode()).decode()


def _cipher() -> MultiFernet:
    return _cipher_of(tuple(settings.SHARY_FIELD_KEYS))


@cache
def _cipher_of(keys: tuple[str, ...]) -> MultiFernet:
    if not keys:
        raise ImproperlyConfigured("SHARY_FIELD_KEYS is empty: name at least one Fernet key.")
    return MultiFernet([Fernet(key) for key in keys])
