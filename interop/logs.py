"""Keeps secrets that stand in addresses out of the logs."""

import logging
import re

_SECRET = re.compile(r"(/sup4rnet/)(?!at/)[^/\s\"'?]+")


class WithoutSecrets(logging.Filter):
    """Puts `…` in the place of a feed's secret, whoever logs the address."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record where needed; let every record pass."""
        try:
            words = record.getMessage()
        except (TypeError, ValueError):
            return True
        if "/sup4rnet/" in words:
            record.msg, record.args = _SECRET.sub(r"\1…", words), ()
        return True
