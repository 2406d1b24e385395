"""What one person may see and do, asked of many reservations without asking the database each time.

The rules are those of `selectors.visibility`; a test holds the two together.
"""

from functools import cached_property

from accounts.models import Membership, User
from reservations.models import Reservation


class Viewer:
    """A person with their projects and sites, each fetched once and only when a rule needs it."""

    def __init__(self, user: User) -> None:
        self.user = user

    @cached_property
    def roles(self) -> dict[int, str]:
        """The person's role in each of their projects."""
        return dict(Membership.objects.filter(user=self.user).values_list("project_id", "role"))

    @cached_property
    def site_ids(self) -> frozenset[int]:
        """The sites that the person operates."""
        return frozenset(self.user.operated_sites.values_list("pk", flat=True))

    def holds(self, reservation: Reservation) -> bool:
        """Whether the reservation is the person's own."""
        return reservation.holder_id == self.user.pk

    def may_enter(self, reservation: Reservation) -> bool:
        """Whether the person gets to see how to get in."""
        return self.holds(reservation) or reservation.project_id in self.roles

    def may_change(self, reservation: Reservation) -> bool:
        """Whether the person may extend, shorten or move it."""
        return (
            self.holds(reservation)
            or self.user.is_superuser
            or self.roles.get(reservation.project_id) == Membership.Role.LEADER
        )

    def may_end(self, reservation: Reservation) -> bool:
        """Whether the person may end or cancel it."""
        return self.may_change(reservation) or any(
            self.may_operate(lease.resource.site_id) for lease in reservation.leases.all()
        )

    def may_operate(self, site_id: int) -> bool:
        """Whether the person runs the site, or the federation."""
        return self.user.is_superuser or site_id in self.site_ids
