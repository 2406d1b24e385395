"""How the emulated switch says no."""

from enum import IntEnum


class Code(IntEnum):
    """The codes of gRPC that P4Runtime uses."""

    OK = 0
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13


class Refusal(Exception):
    """The switch refuses a request or a part of it."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> Refusal:
    """Return the refusal of something that does not fit the program."""
    return Refusal(Code.INVALID_ARGUMENT, message)
