"""How the emulators speak HTTP."""

from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any


class HttpConversation(BaseHTTPRequestHandler):
    """Requests and answers on one connection, which may break at any moment."""

    protocol_version = "HTTP/1.1"
    # One packet for an answer: head and body apart would wait for the client's delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited
        """Keep quiet."""

    def finish(self) -> None:
        """Close both streams: what is still buffered may have no reader, and that must not keep one open."""
        for stream in (self.wfile, self.rfile):
            with suppress(OSError, ValueError):
                stream.close()
