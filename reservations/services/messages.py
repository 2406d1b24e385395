"""Choosing which messages one gets."""

from collections.abc import Mapping
from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from reservations.errors import Invalid
from reservations.messages.kinds import KINDS
from reservations.models import MessageChoices


@transaction.atomic
def choose_messages(
    *,
    user: User,
    wanted: Mapping[str, bool],
    start_lead: timedelta | None = None,
    end_lead: timedelta | None = None,
) -> MessageChoices:
    """Keep what somebody wants to get and how long before; what is not named stays as it is."""
    for kind in wanted:
        if kind not in KINDS:
            raise Invalid({"wanted": [_("There is no kind of message “%(kind)s”.") % {"kind": kind[:40]}]})
        if not KINDS[kind].is_optional and not wanted[kind]:
            raise Invalid(
                {"wanted": [_("“%(kind)s” comes to everybody whom it concerns.") % {"kind": KINDS[kind].title}]}
            )
    choices, _made = MessageChoices.objects.select_for_update().get_or_create(user=user)
    choices.wanted = {**choices.wanted, **wanted}
    choices.start_lead = start_lead or choices.start_lead
    choices.end_lead = end_lead or choices.end_lead
    choices.save()
    return choices
