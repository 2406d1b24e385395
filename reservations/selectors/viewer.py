"""What one person may see and do, asked of many reservations without asking the database each time.

The rules are those of `reservations.rules`; a test holds this and `selectors.visibility` together.
"""

from functools import cached_property

from accounts.models import User
from accounts.rules import Role, federation_roles, roles_in_projects
from reservations.models import Reservation
from reservations.rules import LEASE, RESERVATION
from resources.rules import operates


class Viewer:
    """A person with their projects and sites, each fetched once and only when a rule needs it."""

    def __init__(self, user: User) -> None:
        self.user = user

    @cached_property
    def roles(self) -> dict[int, Role]:
        """The person's role in each of their projects."""
        return roles_in_projects(self.user)

    @cached_property
    def site_ids(self) -> frozenset[int]:
        """The sites that the person operates."""
        return frozenset(operates(self.user).values_list("pk", flat=True))

    def holds(self, reservation: Reservation) -> bool:
        """Whether the reservation is the person's own."""
        return reservation.holder_id == self.user.pk

    def may_enter(self, reservation: Reservation) -> bool:
        """Whether the person gets to see how to get in."""
        return self._may("enter", reservation)

    def may_change(self, reservation: Reservation) -> bool:
        """Whether the person may extend, shorten or move it."""
        return self._may("change", reservation)

    def may_end(self, reservation: Reservation) -> bool:
        """Whether the person may end or cancel it."""
        return self._may("end", reservation) or any(
            self.may_operate(lease.resource.site_id) for lease in reservation.leases.all()
        )

    def may_operate(self, site_id: int) -> bool:
        """Whether the person runs the site, or the federation."""
        operators = LEASE["approve, reject, clean, vouch"]
        return bool(federation_roles(self.user) & operators) or site_id in self.site_ids

    def _may(self, verb: str, reservation: Reservation) -> bool:
        allowed = RESERVATION[verb]
        if federation_roles(self.user) & allowed or (self.holds(reservation) and Role.HOLDER in allowed):
            return True
        return self.roles.get(reservation.project_id) in allowed
