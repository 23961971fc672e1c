"""Redis as something that may be away: every call is bounded, and a dead Redis costs next to nothing.

Nothing that must survive is kept in Redis (caches, rate limits, a deny-list), so each user has its own way to go on
without it, and needs only to be told quickly.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

log = structlog.get_logger()

CALL_SECONDS = 0.5
REST_SECONDS = 2.0  # must be longer than CALL_SECONDS: a probe has to end before the next one begins
CONNECTIONS = 50

Answer = TypeVar("Answer")


class RedisAway(Exception):
    """Redis failed, was too slow, or is being left alone after a failure."""


def connect_redis(url: str) -> Redis:
    """A client that connects at its first command and waits at most half a second for each step.

    One immediate second try on a broken connection (a kept one may have died with a restarted server), none on a
    timeout. The pool makes callers wait instead of raising when every connection is busy. Close it with
    `await client.aclose()`.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=CALL_SECONDS,
        socket_timeout=CALL_SECONDS,
        socket_connect_timeout=CALL_SECONDS,
        retry=Retry(NoBackoff(), 1, (RedisConnectionError,)),
    )
    return Redis.from_pool(pool)


class OptionalRedis:
    """One component's way to Redis. After a failure it rests for `REST_SECONDS`, then one call probes for everybody."""

    def __init__(self, redis: Redis, *, used_for: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._used_for = used_for
        self._clock = clock
        self._failed = False
        self._rests_until = 0.0

    async def ask(self, command: Callable[[Redis], Awaitable[Answer]]) -> Answer:
        """Raises RedisAway: at once while resting, after at most `CALL_SECONDS` otherwise."""
        if self._failed:
            if self._clock() < self._rests_until:
                raise RedisAway
            self._rests_until = self._clock() + REST_SECONDS  # this call probes, the others go on resting
        return await self.insist(command)

    async def insist(self, command: Callable[[Redis], Awaitable[Answer]]) -> Answer:
        """Like `ask`, but tries even while resting: for rare calls that others depend on."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                answer = await command(self._redis)
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            self._note_failure(error)
            raise RedisAway from error
        self._note_answer()
        return answer

    def _note_failure(self, error: Exception) -> None:
        if not self._failed:
            log.warning("redis.away", used_for=self._used_for, error=type(error).__name__)
        self._failed = True
        self._rests_until = self._clock() + REST_SECONDS

    def _note_answer(self) -> None:
        if self._failed:
            log.info("redis.back", used_for=self._used_for)
        self._failed = False
