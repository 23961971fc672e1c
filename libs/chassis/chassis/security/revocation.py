"""The deny-list of access tokens that were revoked before they expired."""

import math
import time
from collections.abc import Callable, Sequence

from redis.asyncio import Redis

from chassis.groupcommit import GroupCommit
from chassis.redis_client import OptionalRedis, RedisAway
from chassis.ttl_memory import TtlMemory

REMEMBERED = 10_000
FRESH_SECONDS = 2.0  # how late another process may learn of a revocation
REVOKED_SECONDS = 3600.0  # revoked stays revoked: remembered for longer than an access token lives


class RevokedTokens:
    """Token ids (`jti`) in Redis until they would have expired anyway.

    While Redis is away only this process's own memory knows of revocations: tokens are short-lived, and refusing every
    caller would be worse. Lookups that wait at the same time share one call to Redis.
    """

    def __init__(
        self, redis: Redis, *, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._redis = OptionalRedis(redis, used_for="revoked", clock=clock)
        self._wall_clock = wall_clock
        self._revoked: TtlMemory[str, bool] = TtlMemory(REMEMBERED, REVOKED_SECONDS, clock)
        self._good: TtlMemory[str, bool] = TtlMemory(REMEMBERED, FRESH_SECONDS, clock)
        self._group: GroupCommit[str, bool] = GroupCommit(self._ask)

    async def revoke(self, jti: str, until: float) -> bool:
        """Revokes a token that expires at `until` (seconds since 1970). False: Redis could not be told, and other
        processes will not know."""
        seconds = math.ceil(until - self._wall_clock())
        self._revoked.put(jti, True)
        if seconds <= 0:
            return True
        try:
            await self._redis.insist(lambda redis: redis.set(_key(jti), b"1", ex=seconds))
        except RedisAway:
            return False
        return True

    async def is_revoked(self, jti: str) -> bool:
        """As Redis knew at most two seconds ago; what it cannot say is taken for not revoked."""
        if self._revoked.get(jti, False):
            return True
        if self._good.get(jti, False):
            return False
        return await self._group.submit(jti)

    async def _ask(self, jtis: Sequence[str]) -> Sequence[bool]:
        try:
            found = await self._redis.ask(lambda redis: redis.mget([_key(jti) for jti in jtis]))
        except RedisAway:
            found = [None] * len(jtis)
        answers = [mark is not None for mark in found]
        for jti, revoked in zip(jtis, answers, strict=True):
            (self._revoked if revoked else self._good).put(jti, True)
        return answers


def _key(jti: str) -> str:
    return f"revoked:{jti}"
