"""The second factor: an app that shows codes, or a passkey. allauth does the work; here is our policy."""

from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.encrypted import EncryptedTextField
from accounts.models import User

_sealed: EncryptedTextField = EncryptedTextField()

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
"""What counts as one; recovery codes only stand in for it."""


class SecondFactorPolicy(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets are kept encrypted, and devices are named for people."""

    def encrypt(self, text: str) -> str:
        """Encrypt what the database keeps, such as the secret of an app."""
        return str(_sealed.get_prep_value(text))

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypt it again."""
        return _sealed.from_db_value(encrypted_text) or ""

    def get_totp_issuer(self) -> str:
        """Return under which name the app lists it."""
        return "SHARY"

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Any) -> str:  # noqa: A002 - allauth's name
        """Return a name for a passkey that was given none."""
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return _("Passkey %(number)d") % {"number": count + 1}


def note_second_factor(user_id: int) -> None:
    """Write down with the person whether they have a second factor, so that no rule has to ask for it."""
    has_one = Authenticator.objects.filter(user_id=user_id, type__in=FACTORS).exists()
    found = User.objects.filter(pk=user_id, second_factor_since__isnull=has_one)
    found.update(second_factor_since=timezone.now() if has_one else None)


def follow_authenticators(sender: Any, instance: Authenticator, **kwargs: Any) -> None:
    """Keep the note in step with the authenticators."""
    note_second_factor(instance.user_id)


def reset_second_factor(*, user: User) -> int:
    """Take all factors from somebody who lost theirs; return how many. Their rights rest until they set one up."""
    with transaction.atomic():
        found = list(Authenticator.objects.filter(user=user))
        for authenticator in found:
            authenticator.delete()
    return len(found)
