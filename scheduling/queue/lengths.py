"""How long requests really run, guessed from the past of those who ask."""

from collections import deque
from statistics import median

REMEMBERED = 50
FEWEST = 5
"""With fewer ended requests of a user, what everybody did is the better guess."""


class Lengths:
    """The shares of what was asked for that was really used: of each user, and of everybody."""

    def __init__(self) -> None:
        self._by_user: dict[str, deque[float]] = {}
        self._all: deque[float] = deque(maxlen=REMEMBERED * 10)

    def ended(self, user: str, *, asked_s: int, ran_s: int) -> None:
        """A request came to its own end."""
        share = min(max(ran_s / asked_s, 0.0), 1.0)
        self._all.append(share)
        if user:
            self._by_user.setdefault(user, deque(maxlen=REMEMBERED)).append(share)

    def usual_share(self, user: str = "") -> float:
        """Return the median share that is used; all of it while nothing is known."""
        known = self._by_user.get(user)
        if known is not None and len(known) >= FEWEST:
            return median(known)
        return median(self._all) if len(self._all) >= FEWEST else 1.0

    def short_share(self, user: str = "") -> float:
        """Return the share below which one of ten stays."""
        known = self._by_user.get(user)
        shares = sorted(known if known is not None and len(known) >= FEWEST else self._all)
        return shares[len(shares) // 10] if len(shares) >= FEWEST else 1.0

    def is_wild(self, user: str, asked_s: int, *, longest_s: int) -> bool:
        """Whether what is asked says little: far more than the user ever needs, at the longest there is."""
        return asked_s >= longest_s and self.usual_share(user) < 0.1
