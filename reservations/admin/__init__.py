"""The desk of operators for *when*: leases, reservations, maintenance, and what is kept of them."""

from reservations.admin import evidence, leases, maintenance, reservations

__all__ = ["evidence", "leases", "maintenance", "reservations"]
