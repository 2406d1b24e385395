"""What keeps leases true: the tick, the orders to the sites, their reports, the reconciler.

The database is the calendar and the queue; Celery only rings. Every step is claimed, committed,
and safe to lose, repeat, or do late.
"""
