"""Where a request may run, and what to say when that is nowhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scheduling.queue.policies import Policy
from scheduling.queue.pools import Pool
from scheduling.queue.requests import CARD, Impossible, Request


@dataclass(slots=True, eq=False)
class Places:
    """The pools that will do for all requests of one sort: those at home, then the others."""

    number: int
    home: tuple[Pool, ...]
    away: tuple[Pool, ...]
    alike: bool
    """Whether all are equally fast, so that whoever is free first also finishes first."""

    @property
    def all(self) -> tuple[Pool, ...]:
        """Every pool that will do."""
        return self.home + self.away


class PlaceFinder:
    """Remembers for each sort of request where it may run."""

    def __init__(self, pools: Sequence[Pool], policy_at: Callable[[str], Policy], *, pooled: bool) -> None:
        self._pools = pools
        self._policy_at = policy_at
        self._pooled = pooled
        self._known: dict[object, Places] = {}

    def forget(self) -> None:
        """A site came or left."""
        self._known.clear()

    def of(self, request: Request) -> Places:
        """Return where it may run."""
        limited = request.length_s if self._is_limited(request) else 0
        key = (
            request.institution,
            request.models,
            request.sites,
            request.barred,
            request.memory_gib,
            request.need if request.same_host or request.wired else 0,
            request.wired,
            request.preemptible,
            limited,
        )
        known = self._known.get(key)
        if known is None:
            home: list[Pool] = []
            away: list[Pool] = []
            for pool in self._pools:
                if pool.capacity and self._will_do(pool, request):
                    (home if pool.site == request.institution else away).append(pool)
            speeds = {pool.speed for pool in (*home, *away)}
            known = Places(len(self._known), tuple(home), tuple(away), len(speeds) < 2)
            self._known[key] = known
        return known

    def _is_limited(self, request: Request) -> bool:
        return any(
            self._policy_at(site).guest_length_s is not None for site in {pool.site for pool in self._pools}
        )

    def _will_do(self, pool: Pool, request: Request) -> bool:
        spec = pool.pool
        if request.models and spec.model not in request.models:
            return False
        if spec.memory_gib < request.memory_gib or pool.site in request.barred:
            return False
        if request.sites and pool.site not in request.sites:
            return False
        if (request.same_host or request.wired) and request.cards > (spec.cards_per_host or spec.cards):
            return False
        if request.wired and request.cards > 1 and not spec.wired:
            return False
        if pool.site != request.institution:
            policy = self._policy_at(pool.site)
            if not self._pooled or (policy.guests_give_way and not request.preemptible):
                return False
            limit = policy.guest_length_s
            return limit is None or request.length_s <= limit
        return True

    def why_nowhere(self, request: Request) -> Impossible | None:
        """Say why no site can ever take it, and the most that one could; None when one can."""
        places = self.of(request)
        widest = max((pool.capacity for pool in places.all), default=0)
        if widest >= request.need:
            return None
        if widest:
            return Impossible(request=request, cause="too_wide", most=widest // CARD)
        open_to_it = [
            pool
            for pool in self._pools
            if pool.capacity
            and pool.site not in request.barred
            and (not request.sites or pool.site in request.sites)
            and (self._pooled or pool.site == request.institution)
        ]
        if not open_to_it:
            return Impossible(request=request, cause="no_site")
        of_model = [pool for pool in open_to_it if not request.models or pool.pool.model in request.models]
        if not of_model:
            return Impossible(request=request, cause="no_model")
        of_memory = [pool for pool in of_model if pool.pool.memory_gib >= request.memory_gib]
        if not of_memory:
            most = max(pool.pool.memory_gib for pool in of_model)
            return Impossible(request=request, cause="no_memory", most=int(most))
        if request.same_host or request.wired:
            hosts = [pool.pool.cards_per_host or pool.pool.cards for pool in of_memory]
            wired = [pool.pool.cards_per_host for pool in of_memory if pool.pool.wired]
            most = max(wired if request.wired else hosts, default=1)
            if most < request.cards:
                return Impossible(request=request, cause="too_wide_for_host", most=most)
        limits = [self._policy_at(pool.site).guest_length_s for pool in of_memory]
        longest = max((limit for limit in limits if limit is not None), default=0)
        if longest and request.length_s > longest:
            return Impossible(request=request, cause="too_long", most=longest)
        return Impossible(request=request, cause="no_leave")
