"""What each caller may ask for in a minute: what everybody may, or what was set for an application."""

from redis.asyncio import Redis

from chassis.ratelimit import RateLimiter
from chassis.security import Identity

MINUTE = 60


class CallerLimits:
    """One limiter for each limit that there is."""

    def __init__(self, redis: Redis, *, everybody: int, processes: int) -> None:
        self._redis = redis
        self._everybody = everybody
        self._processes = processes
        self._limiters: dict[int, RateLimiter] = {}

    def of(self, identity: Identity) -> RateLimiter:
        limit = identity.rate_limit or self._everybody
        limiter = self._limiters.get(limit)
        if limiter is None:
            limiter = self._limiters[limit] = RateLimiter(
                self._redis, limit=limit, period_seconds=MINUTE, name="gateway", processes=self._processes
            )
        return limiter
