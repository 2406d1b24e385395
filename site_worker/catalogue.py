"""The adapters that this site can drive: those of the project and those of its own."""

from collections.abc import Mapping
from importlib import import_module

from adapters.contract import Adapter, AdapterDescription
from adapters.errors import InvalidSettings

_UNKNOWN_S = 60.0


def adapter_class(name: str, extra: Mapping[str, str]) -> type[Adapter]:
    """Return the class of an adapter; loads device code, so only children call this."""
    if name in extra:
        return _own(name, extra[name])
    from adapters.registry import adapter_class as registered  # only where it is needed

    return registered(name)


def describe(name: str, extra: Mapping[str, str]) -> AdapterDescription:
    """Return the description of an adapter, without loading the device code of the project's own."""
    if name in extra:
        return _own(name, extra[name]).description
    from adapters.catalogue import CATALOGUE  # only where it is needed

    if name not in CATALOGUE:
        raise InvalidSettings(f"There is no adapter called “{name}” at this site.")
    return CATALOGUE[name]


def deadline_of(adapter: str, verb: str, *, extra: Mapping[str, str]) -> float:
    """Return the seconds that a verb of the adapter may take."""
    try:
        return describe(adapter, extra).deadline_of(verb).total_seconds()
    except InvalidSettings:
        return _UNKNOWN_S  # the child says what is wrong


def _own(name: str, place: str) -> type[Adapter]:
    module, _, attribute = place.partition(":")
    try:
        found: type[Adapter] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InvalidSettings(
            f"The adapter “{name}” of this site cannot be loaded from “{place}”: {error}."
            " Mend [extra_adapters] in the site's configuration file."
        ) from error
    return found
