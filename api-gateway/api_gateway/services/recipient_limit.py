"""How much one person may be sent, whoever sends it."""

import time
from collections.abc import Callable, Sequence
from uuid import UUID

from redis.asyncio import Redis

from api_gateway.errors import RecipientLimited
from chassis.quota import Quota, RateDecision
from chassis.ratelimit import LocalRateLimiter, RateLimiter

HOUR = 3_600
COUNTED_HERE = 10


class RecipientLimit:
    """`limit` notifications for one person in an hour, all at once if need be, then paid back evenly.

    The first `COUNTED_HERE` are counted in this process alone, as hardly anybody gets more and Redis need not be asked then;
    those beyond count in Redis, for all processes together. `clock` is monotonic.
    """

    def __init__(
        self, redis: Redis, *, limit: int, processes: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        here, beyond = min(COUNTED_HERE, limit), max(0, limit - COUNTED_HERE)
        self._here = LocalRateLimiter(Quota(here, HOUR), clock)
        self._beyond = (
            RateLimiter(redis, limit=beyond, period_seconds=HOUR, name="recipient", processes=processes, clock=clock)
            if beyond
            else None
        )

    async def check(self, people: Sequence[UUID]) -> list[RecipientLimited | None]:
        """Counts one notification for each; why it is one too many, or None."""
        decisions = [self._here.check(str(person)) for person in people]
        if self._beyond is not None:
            over = [place for place, decision in enumerate(decisions) if not decision.allowed]
            waiting = [self._beyond.check(str(people[place])) for place in over]
            for place, checked in zip(over, waiting, strict=True):
                decisions[place] = await checked
        return [None if decision.allowed else _refusal(decision) for decision in decisions]


def _refusal(decision: RateDecision) -> RecipientLimited:
    """An item of a batch has no headers: its message says it, too."""
    seconds = decision.headers()["Retry-After"]
    return RecipientLimited(f"{RecipientLimited.message} (in {seconds} s)", headers={"Retry-After": seconds})
