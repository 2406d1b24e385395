"""How the database says that somebody else was quicker."""

from django.db import DatabaseError
from psycopg import errors as postgres

LOST = postgres.ExclusionViolation | postgres.DeadlockDetected | postgres.UniqueViolation


def is_lost_race(error: DatabaseError) -> bool:
    """Whether the database refused because somebody else has, or just got, the device."""
    return isinstance(error.__cause__, LOST)


def is_taken(error: DatabaseError) -> bool:
    """Whether somebody else has the device; False for a deadlock, after which trying again helps."""
    return isinstance(error.__cause__, postgres.ExclusionViolation)
