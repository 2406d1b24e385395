"""Makes the key of the hub or of a site."""

from typing import Any

from django.core.management.base import BaseCommand

from adapters.contract.wire import new_key, private_key, public_text


class Command(BaseCommand):
    """Prints a new pair of keys; keeps neither."""

    help = "Print a new private and public key, for the hub (SHARY_HUB_KEY) or for a site."
    # A key is wanted before anything else is set up.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Print both halves, one to a line."""
        secret = new_key()
        self.stdout.write(f"private {secret}")
        self.stdout.write(f"public  {public_text(private_key(secret))}")
