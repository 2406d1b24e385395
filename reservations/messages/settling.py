"""How long a message waits for what people do next."""

from datetime import timedelta

SETTLES_IN = timedelta(seconds=30)
"""What people do they often take back, or do again a little differently: one message tells of the result."""
