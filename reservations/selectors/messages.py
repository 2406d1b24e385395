"""Who wants which messages, and which are due."""

from accounts.models import User
from reservations.messages.kinds import KINDS
from reservations.models import MessageChoices, OutgoingMail
from reservations.policy import MOST_MAIL_ATTEMPTS


def choices_of(user: User) -> MessageChoices:
    """Return what somebody chose, or what everybody gets; not saved."""
    return MessageChoices.objects.filter(user=user).first() or MessageChoices(user=user)


def given_up() -> int:
    """Return how many messages were given up because the mail server never took them."""
    return OutgoingMail.objects.filter(sent_at=None, dropped_at=None, attempts__gte=MOST_MAIL_ATTEMPTS).count()


def is_wanted(kind: str, choices: MessageChoices | None) -> bool:
    """Whether somebody with these choices gets messages of a kind."""
    known = KINDS[kind]
    if not known.is_optional:
        return True
    if choices is None:
        return known.is_wanted
    return bool(choices.wanted.get(kind, known.is_wanted))
