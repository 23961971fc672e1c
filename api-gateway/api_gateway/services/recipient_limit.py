"""How much one person may be sent, whoever sends it."""

import time
from collections.abc import Callable, Sequence
from uuid import UUID

from redis.asyncio import Redis

from api_gateway.errors import RecipientLimited
from chassis.quota import Quota, RateDecision
from chassis.ratelimit import LocalRateLimiter, RateLimiter

HOUR = 3_600
COUNTED_HERE, WIDE = 10, 50


class RecipientLimit:
    """`limit` notifications for one person in an hour, all at once if need be, then paid back evenly.

    Of a wide limit the first `COUNTED_HERE` are counted in this process alone, as hardly anybody gets more and Redis need not
    be asked then: each further process allows as many more. Everything else counts in Redis, for all processes together.
    `clock` is monotonic.
    """

    def __init__(
        self, redis: Redis, *, limit: int, processes: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        here = COUNTED_HERE if limit >= WIDE else 0
        self._here = LocalRateLimiter(Quota(here, HOUR), clock) if here else None
        self._beyond = RateLimiter(
            redis, limit=limit - here, period_seconds=HOUR, name="recipient", processes=processes, clock=clock
        )

    async def check(self, people: Sequence[UUID]) -> list[RecipientLimited | None]:
        """Counts one notification for each; why it is one too many, or None."""
        names = [str(person) for person in people]
        here = [self._here is not None and self._here.check(name).allowed for name in names]
        waiting = [None if enough else self._beyond.check(name) for name, enough in zip(names, here, strict=True)]
        return [None if one is None else _refusal(await one) for one in waiting]

    async def give_back(self, people: Sequence[UUID]) -> None:
        """What was counted and then not accepted: it had been before, or could not be written."""
        for person in people:
            if self._here is not None:
                self._here.give_back(str(person))
            else:
                await self._beyond.give_back(str(person))


def _refusal(decision: RateDecision) -> RecipientLimited | None:
    """An item of a batch has no headers: its message says it, too."""
    if decision.allowed:
        return None
    seconds = decision.headers()["Retry-After"]
    return RecipientLimited(f"{RecipientLimited.message} (in {seconds} s)", headers={"Retry-After": seconds})
