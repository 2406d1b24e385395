"""Confirming that it is still oneself: asked before keys, tokens and rights over what is others' are used.

A session that was left open on a desk must not be enough to add a key. Signing in counts as confirming, and so
does the page that asks again; for how long, the portal decides (`SHARY_CONFIRM_EVERY_S`, 0: never asked again).
"""

import time
from urllib.parse import urlencode

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse


def confirmed_recently(request: HttpRequest) -> bool:
    """Whether the person behind the session has shown of late who they are."""
    limit = settings.SHARY_CONFIRM_EVERY_S
    if not limit:
        return True
    oldest = time.time() - limit
    if any(record.get("at", 0) > oldest for record in get_authentication_records(request, request.user)):
        return True
    # Whoever signs in elsewhere only, without a second factor here, has nothing to confirm with.
    return not get_reauthentication_flows(request.user)


def confirm_at(back_to: str) -> str:
    """Return the address of the page that asks, and that leads back."""
    return f"{reverse('account_reauthenticate')}?{urlencode({'next': back_to})}"
