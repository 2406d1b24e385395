"""Who may do what with sites and their devices: see `accounts.rules` for how to read it."""

from django.db.models import QuerySet

from accounts.models import User
from accounts.rules import Role, Rules, allow, federation_roles
from resources.models import Site

SITE: Rules = {
    "see": allow(Role.ANYBODY),
    "watch at the desk": allow(Role.OPERATOR, Role.AUDITOR, Role.MANAGER),
    "operate": allow(Role.OPERATOR, Role.MANAGER),
    "found or close": allow(Role.MANAGER),
    "name operators": allow(Role.MANAGER),
}
DEVICE: Rules = {
    "see": allow(Role.ANYBODY),
    "change": SITE["operate"],
    "see settings": SITE["watch at the desk"],
}


def operates(user: User) -> QuerySet[Site]:
    """Return the sites of which the person is an operator, as far as their rights count."""
    return Site.objects.filter(operatorships__user=user) if user.rights_count else Site.objects.none()


def may_operate(user: User, site: Site) -> bool:
    """Whether the person runs the site, or the federation."""
    return bool(federation_roles(user) & SITE["operate"]) or (
        user.rights_count and site.operatorships.filter(user=user).exists()
    )


def operable_sites(user: User) -> QuerySet[Site]:
    """Return the sites that the person may run; all of them for a federation manager."""
    return Site.objects.all() if federation_roles(user) & SITE["operate"] else operates(user)


def watched_sites(user: User) -> QuerySet[Site]:
    """Return the sites of which the person sees the inside; all of them for an auditor."""
    return Site.objects.all() if federation_roles(user) & SITE["watch at the desk"] else operates(user)
