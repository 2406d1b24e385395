"""Templates: what somebody books often, kept under a name."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.rules import Role, memberships_of, roles_in
from reservations.errors import Invalid, NotAllowed, NotFound
from reservations.models import Lease, Reservation, Template
from reservations.policy import LONGEST_LEASE, SHORTEST_LEASE
from reservations.selectors.visibility import visible_reservations
from reservations.services.asks import Ask, check_asks
from reservations.services.booking import project_to_charge
from reservations.services.lines import lines_of, links_of_ties
from reservations.services.wiring import check_ties
from reservations.words import say_length
from scheduling.wiring import Ties

MOST_TEMPLATES = 200
"""Of one person: more is a mistake of a script."""


def visible_templates(user: User) -> QuerySet[Template]:
    """Return one's own templates, and those that are shared in one's projects."""
    mine = memberships_of(user).values("project")
    return Template.objects.filter(Q(owner=user) | Q(is_shared=True), project__in=mine)


def may_edit_template(user: User, template: Template) -> bool:
    """Whether the user may change or delete it: its owner, and leaders where it is shared."""
    return template.owner_id == user.pk or (
        template.is_shared and Role.LEADER in roles_in(user, template.project_id)
    )


def save_template(
    *,
    user: User,
    project: str,
    name: str,
    asks: Sequence[Ask],
    duration: timedelta,
    ties: Ties = frozenset(),
    purpose: str = "",
    is_shared: bool = False,
) -> Template:
    """Keep a booking without a time under a name."""
    check_asks(asks)
    check_ties(ties, lines=len(asks))
    _check(name=name, duration=duration)
    if Template.objects.filter(owner=user).count() >= MOST_TEMPLATES:
        raise Invalid(
            {"name": [_("You have %(most)d templates; delete one first.") % {"most": MOST_TEMPLATES}]}
        )
    template = Template(
        owner=user,
        project=project_to_charge(user, project),
        name=name.strip(),
        is_shared=is_shared,
        purpose=purpose.strip(),
        duration_s=int(duration.total_seconds()),
        lines=lines_of(asks),
        links=links_of_ties(ties),
    )
    return _saved(template)


def change_template(
    *,
    template_id: UUID,
    actor: User,
    name: str | None = None,
    is_shared: bool | None = None,
    purpose: str | None = None,
    duration: timedelta | None = None,
) -> Template:
    """Change what a template is called, who sees it, what it is for and how long it takes."""
    template = _to_edit(template_id, actor)
    _check(name=name, duration=duration)
    if name is not None:
        template.name = name.strip()
    if is_shared is not None:
        template.is_shared = is_shared
    if purpose is not None:
        template.purpose = purpose.strip()
    if duration is not None:
        template.duration_s = int(duration.total_seconds())
    return _saved(template)


def delete_template(*, template_id: UUID, actor: User) -> None:
    """Delete a template; nothing that was booked with it changes."""
    _to_edit(template_id, actor).delete()


def template_like(*, reservation_id: UUID, user: User) -> Template:
    """Return what a reservation asked for as a template that is not kept, to book it again."""
    reservation = (
        visible_reservations(user)
        .select_related("project", "holder")
        .prefetch_related("leases__artefacts", "leases__resource")
        .filter(pk=reservation_id)
        .first()
    )
    if reservation is None:
        raise NotFound(_("There is no such reservation, or it is not yours to see."))
    leases = sorted(reservation.leases.all(), key=lambda lease: (lease.resource.name, lease.pk))
    lines = reservation.wiring["lines"] if reservation.wiring else [[str(lease.pk)] for lease in leases]
    by_id = {str(lease.pk): lease for lease in leases}
    groups = [[by_id[key] for key in line if key in by_id] for line in lines]
    kept = [place for place, group in enumerate(groups) if group]
    asks = [_ask(groups[place]) for place in kept]
    ties = reservation.wiring["ties"] if reservation.wiring else []
    return Template(
        owner=user,
        project=reservation.project,
        name=reservation.purpose[:80],
        purpose=reservation.purpose,
        duration_s=int(_length(reservation).total_seconds()),
        lines=lines_of(asks),
        links=[[kept.index(one), kept.index(other)] for one, other in ties if one in kept and other in kept],
    )


def _length(reservation: Reservation) -> timedelta:
    return reservation.ends_at - reservation.starts_at


def _ask(leases: Sequence[Lease]) -> Ask:
    """Return the line that was asked for: the wish where there was one, else the device."""
    first = leases[0]
    files = {file.name: file.pk for file in first.artefacts.all()}
    if first.wish is None:
        return Ask(resource=first.resource_id, parameters=first.parameters, artefacts=files)
    return Ask(
        kind=first.wish["kind"],
        model=first.wish["model"],
        site=first.wish["site"],
        minimum=first.wish["minimum"],
        count=len(leases),
        parameters=first.parameters,
        artefacts=files,
    )


def _check(*, name: str | None, duration: timedelta | None) -> None:
    errors: dict[str, list[str]] = {}
    if name is not None and not name.strip():
        errors["name"] = [_("Give it a name.")]
    if duration is not None and not SHORTEST_LEASE <= duration <= LONGEST_LEASE:
        errors["duration_s"] = [
            _("A lease takes from %(shortest)s to a year.") % {"shortest": say_length(SHORTEST_LEASE)}
        ]
    if errors:
        raise Invalid(errors)


def _to_edit(template_id: UUID, actor: User) -> Template:
    template = visible_templates(actor).select_related("project", "owner").filter(pk=template_id).first()
    if template is None:
        raise NotFound(_("There is no such template, or it is not yours to see."))
    if not may_edit_template(actor, template):
        raise NotAllowed(
            _("Only %(owner)s and the leaders of %(project)s can change it; save it under a name of yours.")
            % {"owner": template.owner, "project": template.project}
        )
    return template


def _saved(template: Template) -> Template:
    try:
        with transaction.atomic():
            template.save()
    except IntegrityError as error:
        if "template_once_per_name" not in str(error):
            raise
        raise Invalid({"name": [_("You have a template of this name; choose another.")]}) from error
    return template
