"""Loads the code of an adapter by name. Only the site worker imports this."""

from importlib import import_module

from adapters.catalogue import CATALOGUE
from adapters.contract import Adapter
from adapters.errors import InvalidSettings


def adapter_class(name: str) -> type[Adapter]:
    """Return the adapter's class; raise `InvalidSettings` for a name that is not in the catalogue."""
    if name not in CATALOGUE:
        known = ", ".join(sorted(CATALOGUE))
        raise InvalidSettings(f"There is no adapter called “{name}”. This site knows: {known}.")
    found: type[Adapter] = import_module(f"adapters.{name}.adapter").ADAPTER
    return found
