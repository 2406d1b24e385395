"""Our policy for signing in. allauth calls such hooks “adapters”; here that word stays with hardware."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountPolicy(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts come from home organisations or an operator; nobody signs up alone."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Refuse self-made accounts."""
        return False
