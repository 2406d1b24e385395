"""Keeps secrets that stand in addresses out of the logs."""

import logging
import re

_SECRET = re.compile(r"(/sup4rnet/(?!at/)|/calendar/(?!feed\.ics|stream/)|/messages/stop/)[^/\s\"'?]+")
_PLACES = ("/sup4rnet/", "/calendar/", "/messages/stop/")


class WithoutSecrets(logging.Filter):
    """Puts `…` in the place of a feed's secret, whoever logs the address."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record where needed; let every record pass."""
        try:
            words = record.getMessage()
        except (TypeError, ValueError):
            return True
        if any(place in words for place in _PLACES):
            record.msg, record.args = _SECRET.sub(r"\1…", words), ()
        return True
