"""The question that SUP4RNET's switches ask each minute: who has this switch now?

Their cron fetches `<dashboard_url>/api/active_reservations?target=<host name>` and sends no header; so the
secret stands in the address that the site's operator configures, or the caller's address is the guard.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from adapters.p4_tofino_ssh.settings import DESCRIPTION, account_for, target_of
from interop.feeds import Address, address_of, feed_by_address, feed_by_secret, note_use
from interop.models import ReservationFeed
from interop.rates import count, has_had, quiet
from reservations.models import Lease
from reservations.states import Status
from resources.models import Resource, Site
from resources.selectors import settings_by_resource

log = structlog.get_logger(__name__)

_ANSWERS_A_MINUTE = 60
_WRONG_TRIES_A_MINUTE = 30


def active_reservations(*, site: Site, target: str, now: datetime) -> list[dict[str, object]]:
    """Return who may be on a switch of the site at this moment, as their program writes it.

    Only a lease that is active, in its window, and open: not one that is to come, nor one whose access the
    site has closed. Times are the site's wall clock without a zone, as people typed them into their form
    and as `date` on the switch reads them.
    """
    found = _switch_called(target, site)
    if found is None:
        return []
    resource, accounts = found
    leases = Lease.objects.select_related("reservation__holder", "reservation__project").filter(
        resource=resource,
        status=Status.ACTIVE,
        opened_at__isnull=False,
        isolated_at__isnull=True,
        starts_at__lte=now,
        ends_at__gt=now,
    )
    zone = ZoneInfo(site.time_zone)
    answer: list[dict[str, object]] = []
    for lease in leases:
        holder, project = lease.reservation.holder.username, lease.reservation.project.slug
        account = account_for(accounts, username=holder, project=project)
        if account is None:
            log.warning("sup4rnet.no_account", lease=str(lease.pk), resource=str(resource.pk))
            continue
        answer.append(
            {
                "id": lease.epoch,
                "username": account,
                "target": target,
                "from": _wall_clock(lease.starts_at, zone),
                "to": _wall_clock(lease.ends_at, zone),
                # Nobody can take over a lease of ours, which is what the word means to them.
                "high_priority": True,
            }
        )
    return answer


def _switch_called(target: str, site: Site) -> tuple[Resource, object] | None:
    """Return the one switch of the site that is called so, and its accounts."""
    switches = list(Resource.objects.filter(site=site, adapter=DESCRIPTION.name))
    settings = settings_by_resource(switches)
    asked = target.casefold()
    names = (asked, asked.partition(".")[0])
    found = [
        switch for switch in switches if target_of(settings[switch.pk], name=switch.name).casefold() in names
    ]
    if len(found) > 1:
        # With one of them the wrong person would be let in.
        log.warning("sup4rnet.ambiguous_target", site=site.slug, target=target)
    return (found[0], settings[found[0].pk].get("accounts")) if len(found) == 1 else None


def _wall_clock(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).replace(tzinfo=None).isoformat(timespec="milliseconds")


# --- doors ------------------------------------------------------------------------------------------


@csrf_exempt
def by_secret(request: HttpRequest, secret: str) -> HttpResponse:
    """Answer whoever has the secret."""
    return _answer(request, lambda address: feed_by_secret(secret, address=address))


@csrf_exempt
def by_address(request: HttpRequest, slug: str) -> HttpResponse:
    """Answer whoever asks from a network that the site has listed."""
    return _answer(request, lambda address: feed_by_address(slug, address=address))


@csrf_exempt
def nothing(request: HttpRequest) -> HttpResponse:
    """Answer every other address below: also in a mistyped one a secret may stand."""
    return _nothing()


def _answer(request: HttpRequest, find: Callable[[Address | None], ReservationFeed | None]) -> HttpResponse:
    try:
        address = address_of(request)
        stranger = f"sup4rnet-wrong-{sha256(str(address).encode()).hexdigest()[:20]}"
        if request.method not in ("GET", "HEAD") or has_had(stranger, _WRONG_TRIES_A_MINUTE):
            return _nothing()
        feed = find(address)
        if feed is None:
            count(stranger)
            return _nothing()
        asks = f"sup4rnet-feed-{feed.pk}"
        if has_had(asks, _ANSWERS_A_MINUTE):
            return quiet(HttpResponse("Too often.", status=429, content_type="text/plain"))
        count(asks)
        now = timezone.now()
        note_use(feed, address=address, now=now)
        target = request.GET.get("target", "")
        if not target:
            # Theirs says so with 200 as well; their script reads no account in it, and opens nothing.
            return quiet(HttpResponse("Target not specified", content_type="text/plain"))
        return quiet(JsonResponse(active_reservations(site=feed.site, target=target, now=now), safe=False))
    except Exception:
        # Django would log it with the address, in which the secret stands; structlog with local variables.
        logging.getLogger(__name__).exception("A feed could not be answered.")
        return quiet(HttpResponse(status=500))


def _nothing() -> HttpResponse:
    return quiet(HttpResponse("Not found", status=404, content_type="text/plain"))
