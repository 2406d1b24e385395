"""Refusals about *who*. Each names the thing, the cause and the way out, and has a code for programs."""


class AccountRefusal(Exception):
    """The portal understood and says no. Nothing was changed."""

    code = "refused"
    status = 409

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotYours(AccountRefusal):
    """The person may not do this."""

    code = "not_allowed"
    status = 403


class NotThere(AccountRefusal):
    """There is no such thing, or it is not theirs to see."""

    code = "not_found"
    status = 404


class InvitationOver(AccountRefusal):
    """It was used, taken back, or has expired."""

    code = "invitation_over"


class TooMany(AccountRefusal):
    """There are as many of them as one may have."""

    code = "too_many"


class LastLeader(AccountRefusal):
    """A project is never left without somebody who leads it."""

    code = "last_leader"


class AlreadyThere(AccountRefusal):
    """It is so already."""

    code = "already_there"
