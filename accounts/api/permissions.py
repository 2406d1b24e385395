"""What a request needs beside its person: asked here for every door, before any of them is opened.

A door says what its requests are for by `writes` and `scopes` (see `accounts.api.door.Door`). A token needs that
scope; a session has to have been confirmed of late for what is delicate; and rights over what is others' count
only with a second factor, where the portal asks for one.
"""

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.confirming import confirm_at, confirmed_recently
from accounts.models import PersonalToken
from accounts.scopes import Scope

DELICATE = frozenset({Scope.OPERATE, Scope.KEYS})


class OutOfScope(PermissionDenied):
    """The token is for something else."""

    default_code = "out_of_scope"


class SecondFactorRequired(PermissionDenied):
    """The person's rights do not count yet."""

    default_code = "second_factor_required"
    default_detail = (
        "What you do for others needs a second factor. Set one up at /account/security/ and try again."
    )


class ConfirmItIsYou(PermissionDenied):
    """The session has been open for long."""

    default_code = "confirm_it_is_you"


def scope_of(request: Request, view: Any) -> Scope:
    """Return what the request is for."""
    if request.method in SAFE_METHODS:
        return Scope.READ
    scopes: dict[str, Scope] = getattr(view, "scopes", {})
    return scopes.get(getattr(view, "action", "") or "", getattr(view, "writes", Scope.BOOK))


class WithinScope(BasePermission):
    """Asks of each request what its sort of work needs."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Let the request through, or say what it lacks."""
        scope = scope_of(request, view)
        token = request.auth
        if isinstance(token, PersonalToken):
            if scope not in token.scopes:
                raise OutOfScope(
                    f"The token “{token.name}” has no scope “{scope}”; make one that has it under Keys and tokens."
                )
        elif scope in DELICATE and request.user.is_authenticated and not confirmed_recently(request._request):  # noqa: SLF001
            raise ConfirmItIsYou(f"Confirm that it is you at {confirm_at('/account/security/')} and try again.")
        if scope == Scope.OPERATE and _lacks_second_factor(request.user):
            raise SecondFactorRequired
        return True


def _lacks_second_factor(user: Any) -> bool:
    return bool(user.is_authenticated and not user.rights_count and user.may_enter_desk)
