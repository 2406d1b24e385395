"""The times and sizes that the engine works with, in one place."""

from datetime import timedelta

SHORTEST_LEASE = timedelta(minutes=5)
LONGEST_LEASE = timedelta(days=366)
"""No site can allow longer; a typing error in a year is refused here."""

NOW_TOLERANCE = timedelta(minutes=2)
"""A start this far in the past still means “now”: people read before they click."""

MOST_RESOURCES = 64
"""Leases in one reservation."""

SEARCH_AHEAD = timedelta(days=14)
"""How far the nearest windows are looked for when the asked one is taken."""

HOLD_RENEWALS = 3
"""How often a hold can be made to last for as long again."""
MOST_HOLDS = 3
"""What one person can hold at once, offers of the wait list not counted."""
HELD_AT_MOST = timedelta(minutes=20)
HELD_IS_FORGOTTEN_AFTER = timedelta(hours=1)
"""Nobody holds one device for longer than the former within the latter without booking it."""
KEEP_HOLDS = timedelta(days=1)

MOST_WAITING_WISHES = 10
"""What one person can wait for at once."""
MOST_MISSED_OFFERS = 3
"""Who let so many offers run out is taken off the wait list."""
WAIT_LIST_ROUND_EVERY = timedelta(minutes=1)
"""How often a wish is looked at though nothing came free that the calendar knows of."""
WAITING_AT_ONCE = 50

UNHEALTHY_MATTERS_WITHIN = timedelta(hours=1)
"""An unhealthy device is refused for starts this near; later ones may find it mended."""

GEOMETRY_TAKES = timedelta(minutes=10)
"""How long a card is kept free to be cut into other slices."""
GEOMETRY_SEARCH_AHEAD = timedelta(days=90)

UNHEALTHY_IS_SAID_AFTER = timedelta(minutes=5)
"""A device that is unhealthy for longer than this is worth a warning to who gets it next."""

FOREWARN_BEFORE = timedelta(minutes=15)
"""How long before a start or an end its holder is told, unless they chose otherwise."""
LONGEST_LEAD = timedelta(days=1)
"""How long before it they can choose to be told at most."""

MOST_MAIL_ATTEMPTS = 14
"""They take some thirty hours: a mail server that is away for a night loses nothing."""

TICK_BATCH = 200
ORDERS_PER_MESSAGE = 50
RESEND_AFTER = timedelta(seconds=10)
"""An order that was not answered is sent again after this, then after twice this, and so on."""
RESEND_AT_MOST_EVERY = timedelta(minutes=1)
BLOCKED_LOOK_AGAIN = timedelta(seconds=1)
RELEASE_PATIENCE = timedelta(minutes=2)
"""How long beyond twice its clean-up time a release may take before the device is quarantined."""
RELEASE_RETRY_EVERY = timedelta(minutes=5)
WATCH_EVERY = timedelta(seconds=60)
ERRAND_AGAIN_AFTER = timedelta(seconds=60)
ERRAND_AT_MOST_EVERY = timedelta(hours=1)
ERRAND_MOST_ATTEMPTS = 12
"""A trial or a build that a site has not answered by then (some six hours) is given up in words."""
KEEP_IDEMPOTENCY_KEYS = timedelta(days=30)
KEEP_SENT = timedelta(days=7)
KEEP_LOG = timedelta(days=400)
"""How long orders and reports of leases are kept: the log says what was done, a year later too."""

CONFIRM_WITHIN = timedelta(days=1)
"""What one person asked for, a second one confirms within this, or it is forgotten."""
