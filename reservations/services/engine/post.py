"""Messages to people: written with what they tell of, sent after the commit, tried again."""

from datetime import datetime, timedelta

import structlog
from django.core.mail import send_mail as send_by_django
from django.db import transaction

from accounts.models import User
from reservations.models import Lease, OutgoingMail
from reservations.words import say_moment, zone_of
from resources.models import Resource

log = structlog.get_logger(__name__)

AT_ONCE = 20
MOST_ATTEMPTS = 8


def tell_holder(lease: Lease, what: str, words: str, *, now: datetime, occasion: str = "") -> None:
    """Write to the holder what became of a lease; the same thing on the same occasion is said once."""
    holder = lease.reservation.holder
    zone = zone_of(holder)
    window = f"{say_moment(lease.starts_at, zone)} to {say_moment(lease.ends_at, zone)}"
    _write(
        key=f"lease:{lease.pk}:{what}:{occasion or lease.revision}",
        to=holder,
        subject=f"Your lease of {lease.resource} {what}",
        body=f"{lease.resource}, {window}.\n\n{words}\n",
        now=now,
    )


def tell_operators(resource: Resource, subject: str, words: str, *, now: datetime) -> None:
    """Write to those who run the site of a resource."""
    for operator in User.objects.filter(operatorships__site=resource.site_id, is_active=True):
        _write(
            key=f"resource:{resource.pk}:{subject}:{now.isoformat()}:{operator.pk}",
            to=operator,
            subject=subject,
            body=words,
            now=now,
        )


def _write(*, key: str, to: User, subject: str, body: str, now: datetime) -> None:
    mail = OutgoingMail(dedupe_key=key[:200], to=to, subject=subject[:200], body=body, next_try_at=now)
    OutgoingMail.objects.bulk_create([mail], ignore_conflicts=True)


def send_mail(*, now: datetime) -> int:
    """Send what waits; return how many went out. One that fails is tried again, later each time."""
    sent = 0
    with transaction.atomic():
        waiting = (
            OutgoingMail.objects.select_related("to")
            .select_for_update(of=("self",), skip_locked=True)
            .filter(sent_at__isnull=True, next_try_at__lte=now, attempts__lt=MOST_ATTEMPTS)
            .order_by("next_try_at")[:AT_ONCE]
        )
        for mail in waiting:
            try:
                send_by_django(mail.subject, mail.body, None, [mail.to.email])
            except OSError as error:
                mail.attempts += 1
                mail.next_try_at = now + timedelta(minutes=2**mail.attempts)
                log.warning("mail.not_sent", mail=mail.pk, error=str(error))
            else:
                mail.sent_at = now
                sent += 1
            mail.save(update_fields=["attempts", "next_try_at", "sent_at"])
    return sent
