"""Bring the database up to date and load the demonstration: one process, since each start of Django costs."""

import os
import sys

import django
from django.core.management import call_command

WITHOUT_DEMONSTRATION = 3


def main() -> int:
    """Migrate, then load what is missing of the demonstration; the exit status tells whether it is there."""
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    inventory = os.environ.get("SHARY_DEMONSTRATION_INVENTORY")
    if inventory:
        call_command("load_demonstration", inventory)
        from shary_portal.quickstart.demonstration import is_loaded  # models want a Django that is set up

        return 0 if is_loaded() else WITHOUT_DEMONSTRATION
    return 0


if __name__ == "__main__":
    sys.exit(main())
