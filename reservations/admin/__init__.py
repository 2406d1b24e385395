"""The desk of operators for *when*: leases, reservations, maintenance, cuts, and what is kept of them."""

from reservations.admin import evidence, geometry, leases, maintenance, messages, reservations

__all__ = ["evidence", "geometry", "leases", "maintenance", "messages", "reservations"]
