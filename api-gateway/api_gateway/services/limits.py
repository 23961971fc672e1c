"""The limits on a caller's requests per minute and on a person's notifications per hour.

Where the value of each limit comes from: docs/explanation/rate-limits.md.
"""

import time
from collections.abc import Callable, Sequence
from uuid import UUID

from redis.asyncio import Redis

from api_gateway.errors import RecipientLimited
from chassis.redis.rate_limit import LocalRateLimiter, Quota, RateDecision, RateLimiter
from chassis.security import Identity

MINUTE, HOUR = 60, 3_600
COUNTED_HERE, WIDE = 10, 50  # see RecipientLimit


class CallerLimits:
    """One limiter for each value. `default` applies to callers whose application has no limit of its own."""

    def __init__(self, redis: Redis, *, default: int, processes: int) -> None:
        self._redis = redis
        self._default = default
        self._processes = processes
        self._limiters: dict[int, RateLimiter] = {}

    def for_caller(self, identity: Identity) -> RateLimiter:
        limit = identity.rate_limit or self._default
        limiter = self._limiters.get(limit)
        if limiter is None:
            limiter = self._limiters[limit] = RateLimiter(
                self._redis, limit=limit, period_seconds=MINUTE, name="gateway", processes=self._processes
            )
        return limiter


class RecipientLimit:
    """`limit` notifications for one person per hour. They may come all at once; then the limit refills evenly.

    If the limit is at least `WIDE`, each process counts a person's first `COUNTED_HERE` by itself, so most calls need no
    Redis. Redis counts the rest. With N processes a person may therefore get up to `COUNTED_HERE` * (N - 1) more than the
    limit. `clock` is monotonic.
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
        """Counts one notification for each person. Returns for each the refusal, or None if the limit allowed it."""
        names = [str(person) for person in people]
        here = [self._here is not None and self._here.check(name).allowed for name in names]
        waiting = [None if enough else self._beyond.check(name) for name, enough in zip(names, here, strict=True)]
        return [None if one is None else _refusal(await one) for one in waiting]

    async def check_all(self, groups: Sequence[Sequence[UUID]]) -> list[RecipientLimited | None]:
        """Counts one notification for each person of each group. A group with one refusal is refused, and not counted."""
        checked = iter(await self.check([person for group in groups for person in group]))
        answers: list[RecipientLimited | None] = []
        for group in groups:
            refusals = [next(checked) for _ in group]
            refusal = next((one for one in refusals if one is not None), None)
            if refusal is not None:
                await self.give_back([one for one, why in zip(group, refusals, strict=True) if why is None])
            answers.append(refusal)
        return answers

    async def give_back(self, people: Sequence[UUID]) -> None:
        """Reverses the count of notifications that were not accepted: repeats, and rows that could not be written."""
        for person in people:
            if self._here is not None:
                self._here.give_back(str(person))
            else:
                await self._beyond.give_back(str(person))


def _refusal(decision: RateDecision) -> RecipientLimited | None:
    """The seconds are in the message too, because an item of a batch has no headers."""
    if decision.allowed:
        return None
    seconds = decision.headers()["Retry-After"]
    return RecipientLimited(f"{RecipientLimited.message} (in {seconds} s)", headers={"Retry-After": seconds})
