"""Who has had how much: use that fades, against what each institution shares."""

from collections.abc import Mapping


class Shares:
    """Card time used by each party, fading by half every half-life, as a multiple of its share.

    All use fades alike, so the order of two parties changes only while one of them runs something. Use is kept
    as an integral of growing weight instead of a shrinking sum; nothing has to be touched as time goes by.
    """

    def __init__(self, *, half_life_s: int, weights: Mapping[str, float]) -> None:
        self._rate = 0.6931471805599453 / half_life_s
        self._weights = dict(weights)
        self._running: dict[str, float] = {}
        self._used: dict[str, float] = {}
        self._since: dict[str, int] = {}
        self._least = min((weight for weight in self._weights.values() if weight > 0), default=1.0)

    def weight_of(self, party: str) -> float:
        """Return what the party brings in; whoever brings nothing counts as half the least."""
        weight = self._weights.get(party, 0.0)
        return weight if weight > 0 else self._least / 2

    def weigh(self, weights: Mapping[str, float]) -> None:
        """They bring in so much from now on."""
        self._weights = dict(weights)
        self._least = min((weight for weight in self._weights.values() if weight > 0), default=1.0)

    def changes(self, party: str, room: float, now: int) -> None:
        """It runs so much more from now on, or less."""
        self._used[party] = self.past(party, now)
        self._since[party] = now
        self._running[party] = self._running.get(party, 0.0) + room

    def of(self, party: str, now: int) -> float:
        """Return the mean of what it held over the past half-lives, and what it holds now, for its share."""
        return (self.past(party, now) + self._running.get(party, 0.0)) / self.weight_of(party)

    def holds(self, party: str) -> float:
        """Return what it holds now."""
        return self._running.get(party, 0.0)

    def past(self, party: str, now: int) -> float:
        """Return the mean of what it held, the past counting half for each half-life."""
        since = self._since.get(party)
        if since is None:
            return 0.0
        keeps: float = 2.718281828459045 ** (-self._rate * (now - since))
        return self._used[party] * keeps + self._running.get(party, 0.0) * (1.0 - keeps)
