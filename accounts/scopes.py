"""What a token is for: it lets a script do some of what its owner may do, and never more."""

from enum import StrEnum

from django.utils.translation import gettext_lazy as _


class Scope(StrEnum):
    """One sort of thing that a script may do."""

    READ = "read"
    BOOK = "book"
    OPERATE = "operate"
    KEYS = "keys"


MEANS = {
    Scope.READ: _("see what you see"),
    Scope.BOOK: _("book and change reservations, and keep files"),
    Scope.OPERATE: _("do what you do as an operator or a project leader"),
    Scope.KEYS: _("add and remove SSH keys and tokens"),
}


def all_scopes() -> list[str]:
    """Return every scope: what tokens had before there were scopes."""
    return [scope.value for scope in Scope]
