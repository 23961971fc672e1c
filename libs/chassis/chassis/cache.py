"""A cache in two layers: the process's memory for seconds, Redis for minutes; whoever owns the data invalidates it.

A load that began before a write must not leave its old value in Redis after the owner's invalidation. So the owner's
`forget`, called after its commit, does not delete the key but puts a tombstone (an empty value) there for a few
seconds, and readers only ever write with NX: a late old value finds the tombstone and is dropped. A load that took
about as long as a tombstone lives is not written at all. What remains: another process's memory may hold the old value
for `memory_seconds` (plus the time of a load under way), and if `forget` cannot reach Redis, Redis for `redis_seconds`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from chassis.redis_client import CALL_SECONDS, OptionalRedis, RedisAway, connect_redis
from chassis.ttl_memory import TtlMemory

__all__ = ["LayeredCache", "TtlMemory", "connect_redis"]

TOMBSTONE = b""  # no JSON text is empty
TOMBSTONE_SECONDS = 10
# From before the reader's GET until its SET reaches Redis; the SET itself may take CALL_SECONDS.
LONGEST_STORED_LOAD_SECONDS = TOMBSTONE_SECONDS - 2 * CALL_SECONDS

T = TypeVar("T")


class _No(Enum):
    """Why Redis gave no value."""

    NOTHING_THERE = auto()
    KEEP_OFF = auto()  # a tombstone, another version's value, or no Redis: load, but leave the key alone


class LayeredCache(Generic[T]):
    """Values of one kind under `name`. Redis being away or slow is tolerated: `get` then loads.

    Values given out are shared between callers: cache immutable ones only.
    """

    def __init__(  # noqa: PLR0913 - two lifetimes and a size are what a cache is
        self,
        name: str,
        redis: Redis,
        adapter: TypeAdapter[T],
        *,
        memory_seconds: float,
        redis_seconds: float,
        max_entries: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._redis = OptionalRedis(redis, used_for=f"cache:{name}", clock=clock)
        self._adapter = adapter
        self._redis_milliseconds = round(redis_seconds * 1000)
        self._clock = clock
        self._memory: TtlMemory[str, T] = TtlMemory(max_entries, memory_seconds, clock)
        self._flights: dict[str, asyncio.Task[T]] = {}

    def redis_key(self, key: str) -> str:
        return f"{self._name}:{key}"

    async def get(self, key: str, load: Callable[[], Awaitable[T]]) -> T:
        """The value from memory, from Redis, or from `load`.

        Callers that miss at the same time share one load, which goes on when one of them is cancelled. What `load`
        raises is raised to all of them and not remembered.
        """
        value = self._memory.get(key, _No.NOTHING_THERE)
        if not isinstance(value, _No):
            return value
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._fly(key, load))
        return await asyncio.shield(flight)

    def remembered(self, key: str) -> T | None:
        """The value from memory alone, without waiting."""
        value = self._memory.get(key, _No.NOTHING_THERE)
        return None if isinstance(value, _No) else value

    async def refresh(self, key: str, load: Callable[[], Awaitable[T]]) -> T:
        """As `get`, past this process's memory: what the owner has changed, and told Redis, is seen at once."""
        self._forget_here(key)
        return await self.get(key, load)

    async def forget(self, key: str) -> bool:
        """To be called after the commit that changed the value.

        False: Redis could not be told, and may keep an old value until that expires.
        """
        self._forget_here(key)
        try:
            await self._redis.insist(lambda redis: redis.set(self.redis_key(key), TOMBSTONE, ex=TOMBSTONE_SECONDS))
        except RedisAway:
            return False
        finally:
            self._forget_here(key)  # again: a `get` may have read the old value while we told Redis
        return True

    def _forget_here(self, key: str) -> None:
        self._memory.drop(key)
        self._flights.pop(key, None)

    async def _fly(self, key: str, load: Callable[[], Awaitable[T]]) -> T:
        try:
            value = await self._from_redis_or(load, key)
            if self._is_current(key):
                self._memory.put(key, value)
            return value
        finally:
            if self._is_current(key):
                del self._flights[key]

    def _is_current(self, key: str) -> bool:
        """False for a flight that was overtaken by `forget`: its value may be old and must not be kept."""
        return self._flights.get(key) is asyncio.current_task()

    async def _from_redis_or(self, load: Callable[[], Awaitable[T]], key: str) -> T:
        began = self._clock()
        found = await self._from_redis(key)
        if not isinstance(found, _No):
            return found
        value = await load()
        quick = self._clock() - began < LONGEST_STORED_LOAD_SECONDS
        if found is _No.NOTHING_THERE and quick and self._is_current(key):
            await self._to_redis(key, value)
        return value

    async def _from_redis(self, key: str) -> T | _No:
        try:
            raw = await self._redis.ask(lambda redis: redis.get(self.redis_key(key)))
        except RedisAway:
            return _No.KEEP_OFF
        if raw is None:
            return _No.NOTHING_THERE
        try:
            return self._adapter.validate_json(raw)
        except ValidationError:  # a tombstone, or another version's value during a deployment: both will expire
            return _No.KEEP_OFF

    async def _to_redis(self, key: str, value: T) -> None:
        raw = self._adapter.dump_json(value)
        try:
            await self._redis.ask(
                lambda redis: redis.set(self.redis_key(key), raw, px=self._redis_milliseconds, nx=True)
            )
        except RedisAway:
            return  # it was already logged, and the caller has its value
