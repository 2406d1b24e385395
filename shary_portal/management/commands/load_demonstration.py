"""Loads the demonstration federation once; later, only tells the portal where its devices are now."""

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import User
from shary_portal.quickstart import demonstration


class Command(BaseCommand):
    help = "Load the demonstration federation, once. The quickstart writes the inventory."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("inventory", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        password = os.environ.get("SHARY_DEMONSTRATION_PASSWORD")
        if not password:
            raise CommandError("Set SHARY_DEMONSTRATION_PASSWORD; `make run` does so by itself.")
        inventory = json.loads(options["inventory"].read_text())
        if demonstration.is_loaded():
            demonstration.update_addresses(inventory=inventory)
            return
        if User.objects.exists():
            self.stdout.write("This database has users of its own, so the demonstration stays out of it.")
            return
        demonstration.load(inventory=inventory, password=password, now=timezone.now())
        self.stdout.write("Loaded the demonstration: three sites with emulated devices.")
