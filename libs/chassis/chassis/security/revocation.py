"""The deny-list: sessions that have ended, and single access tokens, revoked before they expired."""

import math
import time
from collections.abc import Callable, Mapping, Sequence

from redis.asyncio import Redis

from chassis.process.batcher import Batcher
from chassis.process.ttl_memory import TtlMemory
from chassis.redis.client import OptionalRedis, RedisUnavailable

REMEMBERED = 10_000
FRESH_SECONDS = 2.0  # the maximum delay until another process sees a revocation
REVOKED_SECONDS = 86_400.0  # how long an id stays revoked: no access token lives longer


class RevokedTokens:
    """Ids of sessions (`sid`) and tokens (`jti`) in Redis, until their last access token would have expired anyway.

    While Redis is down, each process knows only its own revocations: tokens are short-lived, and refusing every caller would
    be worse. Look-ups that wait at the same time share one call to Redis.
    """

    def __init__(
        self, redis: Redis, *, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._redis = OptionalRedis(redis, used_for="revoked", clock=clock)
        self._wall_clock = wall_clock
        self._revoked: TtlMemory[str, bool] = TtlMemory(REMEMBERED, REVOKED_SECONDS, clock)
        self._good: TtlMemory[str, bool] = TtlMemory(REMEMBERED, FRESH_SECONDS, clock)
        self._group: Batcher[str, bool] = Batcher(self._ask)

    async def revoke(self, untils: Mapping[str, float]) -> bool:
        """Revokes each id until the given time (seconds since 1970).

        Returns False if Redis could not be reached; other processes then do not know about the revocation.
        """
        now = self._wall_clock()
        for name in untils:
            self._revoked.put(name, True)
        lasting = {name: math.ceil(until - now) for name, until in untils.items() if until > now}
        if not lasting:
            return True

        async def store(redis: Redis) -> None:
            pipeline = redis.pipeline(transaction=False)
            for name, seconds in lasting.items():
                pipeline.set(_key(name), b"1", ex=seconds)
            await pipeline.execute()

        try:
            await self._redis.ask_even_if_down(store)
        except RedisUnavailable:
            return False
        return True

    async def is_revoked(self, name: str) -> bool:
        """The state in Redis, at most two seconds old. If Redis cannot answer, the id counts as not revoked."""
        if self._revoked.get(name, False):
            return True
        if self._good.get(name, False):
            return False
        return await self._group.submit(name)

    async def _ask(self, ids: Sequence[str]) -> Sequence[bool]:
        try:
            found = await self._redis.ask(lambda redis: redis.mget([_key(name) for name in ids]))
        except RedisUnavailable:
            found = [None] * len(ids)
        answers = [mark is not None for mark in found]
        for name, revoked in zip(ids, answers, strict=True):
            (self._revoked if revoked else self._good).put(name, True)
        return answers


def _key(name: str) -> str:
    return f"revoked:{name}"
