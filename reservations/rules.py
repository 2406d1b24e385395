"""Who may do what with reservations, leases and files: see `accounts.rules` for how to read it.

The questions that follow from these tables stand in `reservations.selectors.visibility`, for one thing or for
a set, and in `reservations.selectors.viewer`, for many things of one person at once.
"""

from accounts.rules import Role, Rules, allow

RESERVATION: Rules = {
    "see that it is there": allow(Role.ANYBODY),
    "see": allow(Role.HOLDER, Role.MEMBER, Role.LEADER, Role.OPERATOR, Role.AUDITOR, Role.MANAGER),
    "enter": allow(Role.HOLDER, Role.MEMBER, Role.LEADER),
    "change": allow(Role.HOLDER, Role.LEADER, Role.MANAGER),
    "end": allow(Role.HOLDER, Role.LEADER, Role.OPERATOR, Role.MANAGER),
}
LEASE: Rules = {
    "see": RESERVATION["see"],
    "give files": RESERVATION["change"],
    "approve, reject, clean, vouch": allow(Role.OPERATOR, Role.MANAGER),
}
FILE: Rules = {
    "see": allow(Role.MEMBER, Role.LEADER),
    "add": allow(Role.MEMBER, Role.LEADER),
    "delete": allow(Role.SELF, Role.LEADER),
}
