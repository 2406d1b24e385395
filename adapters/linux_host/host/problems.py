"""What can go wrong on the host, sorted by what the worker should do next."""


class Problem(Exception):
    """A verb did not reach its promise."""

    code = "unknown"


class Invalid(Problem):
    """The host or the request is set up wrongly; an operator has to mend it."""

    code = "invalid"


class Refused(Problem):
    """The request was understood, and the answer is no."""

    code = "refused"


class Busy(Problem):
    """The device carries another lease, or this lease in a later epoch."""

    code = "busy"


class Later(Problem):
    """Nothing was changed; the same request may work in a moment."""

    code = "later"


class Unknown(Problem):
    """Something was changed, but not all of it: look before doing anything else."""

    code = "unknown"
