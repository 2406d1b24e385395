"""What can go wrong with a device, sorted by what the caller should do next."""

from enum import Enum
from typing import ClassVar


class Remedy(Enum):
    """What the caller does after an `AdapterError`."""

    STOP = "stop"
    """Trying again cannot help."""
    RETRY = "retry"
    """Nothing was changed: try again, with back-off, until the deadline."""
    LOOK = "look"
    """Something may have changed: observe before doing anything else."""


class AdapterError(Exception):
    """A verb of an adapter did not reach its promise."""

    remedy: ClassVar[Remedy]


class InvalidSettings(AdapterError):
    """The inventory record cannot work; an operator has to mend it."""

    remedy = Remedy.STOP


class DeviceRefused(AdapterError):
    """The device understood the request and said no."""

    remedy = Remedy.STOP


class DeviceUnreachable(AdapterError):
    """Nothing was sent: no connection, no name, no route."""

    remedy = Remedy.RETRY


class DeviceBusy(AdapterError):
    """The device still carries another lease."""

    remedy = Remedy.RETRY


class OutcomeUnknown(AdapterError):
    """The request was sent and no answer came; it may have taken effect."""

    remedy = Remedy.LOOK


BY_NAME: dict[str, type[AdapterError]] = {
    error.__name__: error
    for error in (InvalidSettings, DeviceRefused, DeviceUnreachable, DeviceBusy, OutcomeUnknown)
}
