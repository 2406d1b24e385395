"""The demonstration's accounts, beside the form to sign in."""

from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest

PAGE = "account_login"


def demonstration_accounts(request: HttpRequest) -> dict[str, Any]:
    """Give the sign-in page the accounts of the demonstration, as far as they exist here.

    Only to a browser on the same machine: whoever lets others in by `SHARY_HOSTS` does not want to show
    them the passwords.
    """
    accounts = settings.SHARY_DEMONSTRATION_ACCOUNTS
    here = request.resolver_match
    if not accounts or here is None or here.url_name != PAGE or not _is_local(request):
        return {}
    emails = [account["email"] for account in accounts]
    there = set(get_user_model().objects.filter(email__in=emails).values_list("email", flat=True))
    return {"demonstration_accounts": [account for account in accounts if account["email"] in there]}


def _is_local(request: HttpRequest) -> bool:
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
