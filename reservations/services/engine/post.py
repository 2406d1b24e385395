"""Messages to people: written with what they tell of, sent after the commit, tried again.

A row is written in the transaction of what it tells of. `send_mail` claims rows, commits, and only then
talks to the mail server: however long that takes, no lease waits for it and no lock is held. A row is sent
at least once; the identifier of the letter is the same each time, so that a reader shows it once.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.core.mail import get_connection
from django.db import connection, transaction
from django.db.models import F

from accounts.models import User
from reservations.messages.kinds import TEMPLATES
from reservations.messages.late import write_late
from reservations.messages.letters import compose
from reservations.messages.settling import SETTLES_IN
from reservations.messages.words import (
    freed_values,
    one_line,
    values_of_lease,
    values_of_reservation,
    write_words,
)
from reservations.models import Lease, MessageChoices, OutgoingMail, Reservation
from reservations.policy import MOST_MAIL_ATTEMPTS
from reservations.selectors.messages import is_wanted
from reservations.states import Status
from resources.models import Operatorship, Resource

log = structlog.get_logger(__name__)

AT_ONCE = 50
CLAIMED_FOR = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(hours=4)


def tell_holder(lease: Lease, template: str, *, now: datetime, occasion: str = "", **values: Any) -> None:
    """Write to the holder what became of a lease; the same thing on the same occasion is said once."""
    holder = lease.reservation.holder
    subject, body = write_words(template, to=holder, values=values_of_lease(lease, to=holder) | values)
    write(
        OutgoingMail(
            dedupe_key=f"lease:{lease.pk}:{template}:{occasion or lease.revision}"[:200],
            to=holder,
            template=template,
            reservation=lease.reservation,
            subject=subject,
            body=body,
            next_try_at=now,
        )
    )


def tell_of_reservation(
    reservation: Reservation,
    template: str,
    *,
    now: datetime,
    occasion: str = "",
    to: User | None = None,
    settles: bool = False,
    expires_at: datetime | None = None,
    **facts: Any,
) -> None:
    """Note that somebody should hear of a reservation; the words are found when it is sent.

    With `settles`, what is not sent yet is said once, as it is then.
    """
    person = to or reservation.holder
    key = f"reservation:{reservation.pk}:{template}:{occasion or reservation.version}:{person.pk}"
    write_at = now + SETTLES_IN if settles else now
    if settles:
        waiting = OutgoingMail.objects.filter(
            reservation=reservation, to=person, template=template, sent_at=None, dropped_at=None, attempts=0
        )
        if waiting.update(next_try_at=write_at, facts=facts):
            return
    write(
        OutgoingMail(
            dedupe_key=key[:200],
            to=person,
            template=template,
            reservation=reservation,
            facts=facts,
            next_try_at=write_at,
            expires_at=expires_at,
        )
    )


_WHO_WANTS = """
INSERT INTO reservations_outgoingmail
    (dedupe_key, to_id, template, reservation_id, facts, subject, body, created_at, why_dropped, attempts,
     last_error, next_try_at)
SELECT 'reservation:' || v.id || ':' || %(template)s || ':' || to_char(v.ends_at, 'YYYYMMDDHH24MISS'), v.holder_id,
       %(template)s, v.id, '{}', '', '', %(now)s, '', 0, '', %(at)s
FROM reservations_reservation v JOIN reservations_messagechoices c ON c.user_id = v.holder_id
WHERE v.id = ANY(%(reservations)s) AND c.wanted ->> %(kind)s = 'true'
ON CONFLICT DO NOTHING
"""


def tell_who_wants(template: str, reservations: Collection[UUID], *, now: datetime) -> None:
    """Note something that hardly anybody wants to hear of, for those who do: one statement for many."""
    if not reservations:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _WHO_WANTS,
            {
                "template": template,
                "kind": TEMPLATES[template].kind,
                "reservations": list(reservations),
                "now": now,
                "at": now + SETTLES_IN,
            },
        )


def tell_operators(resource: Resource, subject: str, words: str, *, now: datetime) -> None:
    """Write to those who run the site of a resource."""
    for operator in User.objects.filter(operatorships__site=resource.site_id, is_active=True):
        write(
            OutgoingMail(
                dedupe_key=f"resource:{resource.pk}:{one_line(subject)}:{now.isoformat()}:{operator.pk}"[-200:],
                to=operator,
                template="operator",
                subject=one_line(subject)[:200],
                body=words,
                next_try_at=now,
            )
        )


def tell_freed(
    *,
    to: User,
    starts_at: datetime,
    ends_at: datetime,
    leases: Sequence[Lease] = (),
    reservation: Reservation | None = None,
    what: str = "",
    why: str = "",
    until: datetime | None = None,
    occasion: str,
    now: datetime,
) -> None:
    """Write to somebody who waited that it is free now; `until` is how long it is kept for them."""
    values = freed_values(to=to, what=what, starts_at=starts_at, ends_at=ends_at, why=why, until=until)
    if reservation is not None and not what:
        values |= {"what": values_of_reservation(reservation, leases, to=to)["what"]}
    subject, body = write_words("freed", to=to, values=values)
    write(
        OutgoingMail(
            dedupe_key=f"freed:{occasion}:{to.pk}"[:200],
            to=to,
            template="freed",
            reservation=reservation,
            subject=subject,
            body=body,
            next_try_at=now,
            expires_at=until or ends_at,
        )
    )


def write(*mails: OutgoingMail) -> None:
    """Put messages among those to be sent; one whose key is known is there already."""
    OutgoingMail.objects.bulk_create(mails, ignore_conflicts=True)


def send_mail(*, now: datetime) -> int:
    """Send what waits; return how many letters went out. One that fails is tried again, later each time."""
    mails = _claim(now)
    choices = MessageChoices.objects.in_bulk({mail.to_id for mail in mails}, field_name="user_id")
    letters: dict[tuple[Any, ...], list[OutgoingMail]] = {}
    for mail in mails:
        if why := _why_not(mail, choices.get(mail.to_id), now=now):
            mail.dropped_at, mail.why_dropped = now, why
            mail.save(update_fields=["dropped_at", "why_dropped"])
        elif mail.body:
            letters.setdefault((mail.to_id, TEMPLATES[mail.template].kind, mail.reservation_id), []).append(
                mail
            )
    if not letters:
        return 0
    return _send(list(letters.values()), now=now)


def try_again(mails: Iterable[int], *, now: datetime) -> int:
    """Have messages that were given up tried again; return how many."""
    return OutgoingMail.objects.filter(pk__in=mails, sent_at=None, dropped_at=None).update(
        attempts=0, next_try_at=now
    )


def _claim(now: datetime) -> list[OutgoingMail]:
    with transaction.atomic():
        keys = list(
            OutgoingMail.objects.select_for_update(skip_locked=True)
            .filter(
                sent_at__isnull=True,
                dropped_at__isnull=True,
                next_try_at__lte=now,
                attempts__lt=MOST_MAIL_ATTEMPTS,
            )
            .order_by("next_try_at", "pk")
            .values_list("pk", flat=True)[:AT_ONCE]
        )
        if not keys:
            return []
        OutgoingMail.objects.filter(pk__in=keys).update(
            attempts=F("attempts") + 1, next_try_at=now + CLAIMED_FOR
        )
    return list(
        OutgoingMail.objects.select_related("to", "reservation__holder", "reservation__project")
        .filter(pk__in=keys)
        .order_by("pk")
    )


def _why_not(mail: OutgoingMail, choices: MessageChoices | None, *, now: datetime) -> str:
    """Find the words of a message that has none yet; return why it is not sent at all, if so."""
    if mail.expires_at is not None and mail.expires_at <= now:
        return "too late"
    if not mail.body:
        try:
            if not write_late(mail, now=now):
                return "nothing to say any more"
        except Exception as error:
            # One message that cannot be put into words must not keep back the others.
            log.exception("mail.no_words", mail=mail.pk, template=mail.template)
            _later([mail], repr(error), now)
            return ""
        if mail.template == "asked":
            _ask_operators(mail, now=now)
    template = TEMPLATES[mail.template]
    is_grave = template.is_grave or mail.facts.get("is_grave")
    if not is_grave and not is_wanted(template.kind, choices):
        return "not wanted"
    if not mail.to.email:
        return "no address"
    return "" if mail.to.is_active else "no account"


def _ask_operators(mail: OutgoingMail, *, now: datetime) -> None:
    """Tell those who have to approve it; who booked is told by the same row, so neither is forgotten."""
    reservation = mail.reservation
    if reservation is None:
        return
    asked = Operatorship.objects.filter(
        site__resources__leases__reservation=reservation,
        site__resources__leases__status=Status.REQUESTED,
        user__is_active=True,
    ).select_related("user")
    for operatorship in asked.distinct():
        tell_of_reservation(
            reservation,
            "approval_wanted",
            to=operatorship.user,
            now=now,
            occasion=str(operatorship.site_id),
            expires_at=reservation.starts_at,
            site=str(operatorship.site_id),
        )


def _send(letters: Sequence[list[OutgoingMail]], *, now: datetime) -> int:
    sent = 0
    server = get_connection()
    away = ""
    for mails in letters:
        try:
            if away:
                raise OSError(away)
            letter = compose(mails, now=now)
            letter.connection = server
            letter.send()
        except OSError as error:
            # A refused receiver is one letter's trouble; a server that is away is that of all.
            away = away or (str(error) if isinstance(error, ConnectionError | TimeoutError) else "")
            _later(mails, str(error), now)
        except Exception as error:
            log.exception("mail.not_composed", mail=mails[0].pk)
            _later(mails, repr(error), now)
        else:
            sent += 1
            for mail in mails:
                mail.sent_at = now
            OutgoingMail.objects.bulk_update(mails, ["sent_at", "subject", "body"])
    server.close()
    return sent


def _later(mails: Sequence[OutgoingMail], error: str, now: datetime) -> None:
    for mail in mails:
        mail.next_try_at = now + min(timedelta(minutes=2**mail.attempts), LONGEST_PAUSE)
        mail.last_error = error[:500]
        note = log.error if mail.attempts >= MOST_MAIL_ATTEMPTS else log.warning
        note("mail.not_sent", mail=mail.pk, attempts=mail.attempts, error=error)
    OutgoingMail.objects.bulk_update(mails, ["next_try_at", "last_error"])
