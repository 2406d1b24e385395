"""Whether an account may be used: it is active, and nobody switched off who vouches for it."""

from allauth.socialaccount.models import SocialAccount
from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import IdentityProvider, User


def vouched_for_by_nobody(user: str = "pk") -> Exists:
    """Return the condition that the provider of a person is switched off; `user` names the column they are in."""
    off = IdentityProvider.objects.filter(is_enabled=False).values("slug")
    return Exists(SocialAccount.objects.filter(user=OuterRef(user), provider__in=off))


def usable_accounts() -> QuerySet[User]:
    """Return the people whose sessions and tokens work."""
    return User.objects.filter(is_active=True).exclude(vouched_for_by_nobody())


def provider_of(user: User) -> IdentityProvider | None:
    """Return who vouches for a person; None for accounts of this portal alone."""
    return IdentityProvider.objects.filter(
        slug__in=SocialAccount.objects.filter(user=user).values("provider")
    ).first()
