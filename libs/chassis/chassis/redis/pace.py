"""A pace that several processes share through Redis: so many calls a second, evenly spread."""

import asyncio
import math
import time
from collections.abc import Callable

from redis.asyncio import Redis

from chassis.redis.client import OptionalRedis, RedisUnavailable

# A pace is a row of places in time, one each `interval`. Redis keeps the time of the next free place, so a place belongs to
# one process. A process reserves its next places in one call, and more of them the sooner it has used the last ones: at
# 10,000 calls a second it asks Redis ten times a second.
RESERVED_SECONDS = 0.1  # of the pace, at most, by one call to Redis; places that a process does not use are lost
LATE_SECONDS = 0.05  # a place may be used so much later, because event loops are late, too
ANSWER_SECONDS = 0.1  # without an answer of Redis in this time the process keeps the pace alone

# ARGV: microseconds of a place, places, microseconds that the first may be late. Returns the microseconds from now to it.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local first = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now - ARGV[3])
local free = first + ARGV[1] * ARGV[2]
local rest = math.max(0, math.ceil((free - now) / 1000)) + 1000
redis.call('SET', KEYS[1], string.format('%.0f', free), 'PX', string.format('%.0f', rest))
return string.format('%.0f', first - now)
"""


class Pace:
    """At most `per_second` calls a second by all processes that use `name`.

    Reserve a place with `reserve`, then `take` it when its time has come (`wait`). While Redis cannot be reached, each
    process keeps the pace for its own calls. `clock` is monotonic, in seconds.
    """

    def __init__(
        self, redis: Redis, name: str, per_second: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._key = f"pace:{name}"
        self._interval = 1 / per_second
        self._max_places = max(1, int(per_second * RESERVED_SECONDS))
        self._redis = OptionalRedis(redis, used_for=self._key, clock=clock)
        self._script = redis.register_script(SCRIPT)
        self._clock = clock
        self._next_at = self._end_at = -math.inf
        self._places = 1
        self._reserving = asyncio.Lock()

    @property
    def is_reserved(self) -> bool:
        """Whether this process has a place, now or later."""
        return self._place_at + self._interval / 2 <= self._end_at

    @property
    def wait(self) -> float:
        """Seconds until the reserved place; 0 if its time has come, or if none is reserved."""
        return max(0.0, self._next_at - self._clock()) if self.is_reserved else 0.0

    def take(self) -> None:
        """Uses the reserved place."""
        self._next_at = self._place_at + self._interval

    async def reserve(self) -> None:
        """Reserves the next places, unless another task has just done so."""
        async with self._reserving:
            if self.is_reserved:
                return
            used_at_once = self._clock() <= self._end_at + LATE_SECONDS
            self._places = min(self._max_places, 2 * self._places) if used_at_once else 1
            self._next_at = await self._first_place()
            self._end_at = self._next_at + self._places * self._interval

    @property
    def _place_at(self) -> float:
        return max(self._next_at, self._clock() - LATE_SECONDS)

    async def _first_place(self) -> float:
        arguments = [self._interval * 1e6, self._places, LATE_SECONDS * 1e6]
        try:
            wait = await self._redis.ask(
                lambda _: asyncio.wait_for(self._script([self._key], arguments), ANSWER_SECONDS)
            )
        except RedisUnavailable:
            return max(self._clock(), self._end_at)
        return self._clock() + int(wait) / 1e6
