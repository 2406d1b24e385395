"""Operators by the groups that an identity provider names, where a rule of the site lets it."""

from datetime import datetime, timedelta

import structlog
from allauth.socialaccount.models import SocialAccount
from django.utils.translation import gettext as _

from accounts.federation.entitlements import Malformed, path_of
from accounts.federation.mapping import Verdict
from accounts.models import IdentityProvider, User
from resources.models import OperatorRule, Operatorship, Site

log = structlog.get_logger(__name__)


class _Sites:
    """What groups give in sites."""

    def preview(self, provider: IdentityProvider, verdict: Verdict) -> list[str]:
        """Say which sites the groups would run."""
        return [_("Operator of %(site)s") % {"site": site} for site in _granted(provider, verdict)]

    def apply(self, user: User, provider: IdentityProvider, verdict: Verdict) -> None:
        """Make the person an operator where a rule says so, and end what this provider says no more."""
        granted = _granted(provider, verdict)
        theirs = Operatorship.objects.filter(user=user, source=provider.slug)
        for operatorship in theirs.exclude(site__in=granted):
            _end(operatorship)
        for site in granted:
            # One that people gave stays theirs to take.
            _operatorship, is_new = Operatorship.objects.get_or_create(
                site=site, user=user, defaults={"source": provider.slug}
            )
            if is_new:
                log.info("operator.granted", user=user.pk, site=site.slug, provider=provider.slug)


SITES = _Sites()


def end_stale_operatorships(*, now: datetime) -> int:
    """End what a provider gave to people who have not signed in for as long as its word lasts."""
    ended = 0
    for provider in IdentityProvider.objects.filter(
        slug__in=Operatorship.objects.exclude(source="manual").values("source")
    ):
        since = now - timedelta(days=provider.memberships_last_days)
        seen = SocialAccount.objects.filter(provider=provider.slug, last_login__gt=since).values("user")
        for operatorship in Operatorship.objects.filter(source=provider.slug).exclude(user__in=seen):
            _end(operatorship)
            ended += 1
    return ended


def _end(operatorship: Operatorship) -> None:
    log.info(
        "operator.ended", user=operatorship.user_id, site=operatorship.site_id, provider=operatorship.source
    )
    operatorship.delete()


def _granted(provider: IdentityProvider, verdict: Verdict) -> list[Site]:
    found: dict[Site, None] = {}
    for rule in OperatorRule.objects.filter(provider=provider).select_related("site").order_by("site__name"):
        try:
            path = path_of(rule.group.strip())
        except Malformed:
            continue
        if any(
            group.path == path and (not rule.role_there or group.role == rule.role_there)
            for group in verdict.groups
        ):
            found[rule.site] = None
    return list(found)
