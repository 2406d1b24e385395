"""Who could make possible what is not: devices that would do and are kept out of service."""

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from reservations.services.asks import Ask
from resources.models import Resource, Site


def hints_for(asks: Sequence[Ask]) -> list[str]:
    """Return, in words, who could change that a wish can never be met."""
    hints = []
    for ask in asks:
        if ask.is_named:
            continue
        would_do = Resource.objects.filter(kind=ask.kind)
        if ask.model:
            would_do = would_do.filter(model__iexact=ask.model)
        if ask.site:
            would_do = would_do.filter(site__slug=ask.site)
        kept_out = would_do.exclude(in_service=True, quarantined_at__isnull=True)
        at: Counter[Site] = Counter(resource.site for resource in kept_out.select_related("site"))
        for site, count in sorted(at.items(), key=lambda pair: pair[0].name):
            words = ngettext(
                "%(count)s more that would do is out of service at %(site)s; its operators can bring it back",
                "%(count)s more that would do are out of service at %(site)s; its operators can bring them back",
                count,
            ) % {"count": count, "site": site.name}
            hints.append(f"{words}: {site.contact_email}." if site.contact_email else f"{words}.")
    if not hints:
        hints.append(_("Nobody in the federation shares more of this; its managers can ask sites to."))
    return hints
