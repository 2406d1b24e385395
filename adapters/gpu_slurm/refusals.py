"""Turns what Slurm says into the five errors, sorted by what can be done next."""

from adapters.errors import (
    AdapterError,
    DeviceBusy,
    DeviceRefused,
    DeviceUnreachable,
    InvalidSettings,
    OutcomeUnknown,
)

_NOT_SENT = (
    "connect failure",
    "connection refused",
    "could not resolve",
    "name or service not known",
    "no route to host",
    "unable to establish controller machine",
    "unable to establish configuration source",
)
_LOST = (
    "unable to contact slurm controller",
    "socket timed out",
    "zero bytes",
    "connection reset",
    "broken pipe",
    "i/o error",
    "connection timed out",
    "unexpected message",
    "backup controller",
    "in standby mode",
)
_RIGHTS = ("access/permission denied", "permission denied", "authentication", "protocol authentication error")


class CommentUnknown(Exception):
    """This Slurm keeps no comment with a reservation."""


def error_for(words: str, *, changes: bool, what: str) -> AdapterError:
    """Return the error that Slurm's words amount to; `changes` says whether something was to be changed."""
    said = " ".join(words.split()) or "nothing"
    low = said.lower()
    if any(piece in low for piece in _NOT_SENT):
        return DeviceUnreachable(f"Slurm's controller cannot be reached to {what}: “{said}”.")
    if any(piece in low for piece in _LOST):
        if changes:
            return OutcomeUnknown(f"Slurm did not say whether it could {what}: “{said}”. It may have.")
        return DeviceUnreachable(f"Slurm's controller did not answer to {what}: “{said}”.")
    if "overlaps" in low or "nodes are busy" in low or "nodes busy" in low:
        return DeviceBusy(f"Slurm cannot {what}: “{said}”.")
    if "reservation is in use" in low:
        return DeviceBusy(f"Slurm cannot {what} while a job runs in it: “{said}”.")
    if "invalid node name" in low or "invalid partition" in low:
        return InvalidSettings(f"Slurm cannot {what}: “{said}”. Correct the nodes in the settings.")
    if "tres" in low and ("identify" in low or "not supported" in low or "invalid" in low):
        return InvalidSettings(
            f"This Slurm reserves no cards by count: “{said}”. Reserve whole nodes, cores or a licence instead: "
            "change “Reserve” in the settings."
        )
    if any(piece in low for piece in _RIGHTS):
        return InvalidSettings(
            f"Slurm does not let SHARY {what}: “{said}”. Give its user the level “operator”, or run the "
            "commands as SlurmUser."
        )
    return DeviceRefused(f"Slurm refused to {what}: “{said}”.")
