"""Which cards of which host a lease gets: so that what stays free stays useful."""

from collections.abc import Mapping

from scheduling.queue.requests import CARD, PoolSpec

Taken = tuple[tuple[int, int], ...]
"""Cards by their place in the pool, and how much of each was taken, in thousandths."""

Look = tuple[int, ...]
"""What is free on each card of a host, least first: hosts that look alike are one case."""


class Hosts:
    """The cards of a pool, host by host.

    Best fit: a share of a card goes where least is left beside it, a gang to the host that it fills best. With
    a `mix` of what is usually asked for, each goes where it makes the least room useless for that mix (the
    measure of fragmentation of Weng et al., ATC 2023). Hosts are sorted by their look, of which there are few,
    so a choice among a thousand hosts costs no more than a choice among the looks.
    """

    def __init__(self, pool: PoolSpec, mix: Mapping[int, float] | None = None) -> None:
        width = pool.cards_per_host or max(pool.cards, 1)
        self.devices = pool.devices
        self.free = [CARD] * pool.cards
        self.mix = mix
        self._width = width
        self._looks: dict[Look, set[int]] = {}
        self._look_of: list[Look] = []
        self._useless: dict[Look, float] = {}
        for first in range(0, pool.cards, width):
            look: Look = tuple(self.free[first : first + width])
            self._looks.setdefault(look, set()).add(first)
            self._look_of.append(look)

    def fits(self, need: int, *, same_host: bool = False) -> bool:
        """Whether there is room: on one card, on whole cards of one host, or on whole cards anywhere."""
        return self._chosen(need, same_host=same_host) is not None

    def take(self, need: int, *, same_host: bool = False) -> Taken:
        """Take the cards that leave the most useful rest; there has to be room."""
        taken = self._chosen(need, same_host=same_host)
        if taken is None:
            raise ValueError(f"There is no room for {need} thousandths of a card.")
        self._change(taken, -1)
        return taken

    def give(self, taken: Taken) -> None:
        """They are free again."""
        self._change(taken, 1)

    def retake(self, taken: Taken) -> None:
        """They are taken again as they were."""
        self._change(taken, -1)

    def names_of(self, taken: Taken) -> tuple[str, ...]:
        """Return the names of these cards."""
        return tuple(self.devices[card] for card, _ in taken) if self.devices else ()

    def cost_of(self, need: int) -> float | None:
        """Return how much room becomes useless for the mix if it goes here, or None where it does not fit."""
        best = self._best_look(need)
        return None if best is None else best[0]

    def _chosen(self, need: int, *, same_host: bool) -> Taken | None:
        if need < CARD or same_host or need == CARD:
            best = self._best_look(need)
            if best is None:
                return None
            _, look, place = best
            return self._cards_of(min(self._looks[look]), need, look[place])
        return self._gang(need)

    def _gang(self, need: int) -> Taken | None:
        """Whole cards: in one host where one has them, else in the fullest hosts that add up to them."""
        best = self._best_look(need)
        if best is not None:
            _, look, place = best
            return self._cards_of(min(self._looks[look]), need, look[place])
        wanted = need // CARD
        taken: list[tuple[int, int]] = []
        for look in sorted(self._looks, key=lambda look: -look.count(CARD)):
            whole = look.count(CARD)
            if not whole:
                break
            for first in sorted(self._looks[look]):
                cards = self._cards_of(first, min(whole, wanted) * CARD, CARD)
                taken += cards
                wanted -= len(cards)
                if not wanted:
                    return tuple(taken)
        return None

    def _best_look(self, need: int) -> tuple[float, Look, int] | None:
        best: tuple[float, Look, int] | None = None
        for look in self._looks:
            if need <= look[-1] if need <= CARD else look.count(CARD) * CARD >= need:
                for place, rest in self._rests(look, need):
                    cost = self._cost(look, rest, place, need)
                    if best is None or (cost, look) < best[:2]:
                        best = (cost, look, place)
        return best

    def _rests(self, look: Look, need: int) -> list[tuple[int, Look]]:
        """What the host may look like afterwards, for each sort of card that could be taken."""
        if need > CARD:
            count = need // CARD
            return [(len(look) - 1, tuple([0] * count + list(look[: len(look) - count])))]
        found = []
        for place, room in enumerate(look):
            if room >= need and (place == 0 or look[place - 1] != room):
                rest = sorted((*look[:place], room - need, *look[place + 1 :]))
                found.append((place, tuple(rest)))
        return found

    def _cost(self, look: Look, rest: Look, place: int, need: int) -> float:
        if self.mix is None:
            # The room left on the card first, then on the host.
            return (look[place] - need if need < CARD else 0) * 1_000_000.0 + sum(rest)
        return self._useless_in(rest) - self._useless_in(look)

    def _useless_in(self, look: Look) -> float:
        known = self._useless.get(look)
        if known is None:
            total = sum(look)
            whole = look.count(CARD) * CARD
            known = 0.0
            for need, weight in (self.mix or {}).items():
                if need < CARD:
                    known += weight * sum(room for room in look if room < need)
                else:
                    known += weight * (total - whole if whole >= need else total)
            self._useless[look] = known
        return known

    def _cards_of(self, first: int, need: int, room: int) -> Taken:
        cards = range(first, min(first + self._width, len(self.free)))
        if need < CARD:
            card = next(card for card in cards if self.free[card] == room)
            return ((card, need),)
        whole = [card for card in cards if self.free[card] == CARD]
        return tuple((card, CARD) for card in whole[: need // CARD])

    def _change(self, taken: Taken, sign: int) -> None:
        for card, amount in taken:
            self.free[card] += sign * amount
        for host in {card // self._width for card, _ in taken}:
            first = host * self._width
            old = self._look_of[host]
            alike = self._looks[old]
            alike.discard(first)
            if not alike:
                del self._looks[old]
            look = tuple(sorted(self.free[first : first + self._width]))
            self._look_of[host] = look
            self._looks.setdefault(look, set()).add(first)
