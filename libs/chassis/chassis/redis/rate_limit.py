"""Rate limits: the arithmetic (GCRA), a limiter for one process, and a limiter shared by all processes through Redis."""

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from redis.asyncio import Redis

from chassis.process.batcher import Batcher
from chassis.process.ttl_memory import TtlMemory
from chassis.redis.client import OptionalRedis, RedisUnavailable

# The arithmetic of a rate limit: the generic cell rate algorithm (GCRA), in whole microseconds.
#
# A key names who is limited: a caller, a person, an address. For each key a single timestamp is stored, `free_at`: when all
# of its quota is free again (GCRA's theoretical arrival time). The unit is the whole microsecond because the Redis script
# counts in doubles. Doubles are exact up to 2^53; fractions of a second at today's date are not exact.


class RateDecision(NamedTuple):
    """`reset_after`: seconds until the whole limit is free again. `retry_after`: seconds until this call is allowed, or 0."""

    allowed: bool
    limit: int
    remaining: int
    reset_after: float
    retry_after: float

    def headers(self) -> dict[str, str]:
        """The RateLimit headers, plus Retry-After if refused. Values are whole numbers; seconds are rounded up."""
        headers = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(math.ceil(self.reset_after)),
        }
        if not self.allowed:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after)))
        return headers


@dataclass(frozen=True)
class Quota:
    """`limit` units in `period_seconds`. A key may use all of them at once. `limit` is at most a million a second."""

    limit: int
    period_seconds: int

    def __post_init__(self) -> None:
        if self.limit < 1 or self.period_seconds < 1 or self.interval < 1:
            raise ValueError("a limit is at least one a period and at most a million a second")

    @cached_property
    def interval(self) -> int:
        """Microseconds until one unit is paid back."""
        return self.period_seconds * 1_000_000 // self.limit

    @cached_property
    def burst(self) -> int:
        return self.interval * self.limit

    def spend(self, free_at: int, now: int, cost: int) -> tuple[int, RateDecision]:
        """The key's new `free_at`, and the decision. Times are in microseconds. `SCRIPT` does the same arithmetic."""
        free_at = min(max(free_at, now), now + self.burst)
        then = free_at + cost * self.interval
        wait = then - self.burst - now
        if wait > 0:
            return free_at, self.decision(used=free_at - now, wait=wait)
        return then, self.decision(used=then - now, wait=0)

    def decision(self, *, used: int, wait: int) -> RateDecision:
        return RateDecision(
            allowed=wait == 0,
            limit=self.limit,
            remaining=(self.burst - used) // self.interval,
            reset_after=used / 1e6,
            retry_after=wait / 1e6,
        )


MAX_LOCAL_KEYS = 100_000  # about 20 MB; a flood of invented keys cannot fill the process's memory
MAX_GROUP = 100
PAUSE_SECONDS, RAMP_CALLS = 0.008, 2  # between two calls to Redis, if checks come faster than 250 a second

# Quota.spend for many keys at once. ARGV: interval, burst, then for each key the costs of its checks, in their order.
# Returns the time, then the previous `free_at` of each key; the decisions follow from these. Redis's clock decides, so
# differences between the processes' clocks do not matter. Numbers are formatted with %.0f: Lua's own conversion keeps only
# 14 digits.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local answers = {now}
for i, key in ipairs(KEYS) do
  local before = tonumber(redis.call('GET', key) or now)
  before = math.min(math.max(before, now), now + burst)
  local free_at = before
  for cost in string.gmatch(ARGV[i + 2], '%d+') do
    local after = free_at + tonumber(cost) * interval
    if after - burst <= now then free_at = after end
  end
  if free_at > before then
    local rest = math.ceil((free_at - now) / 1000)
    redis.call('SET', key, string.format('%.0f', free_at), 'PX', string.format('%.0f', rest))
  end
  answers[#answers + 1] = before
end
return answers
"""


# Returns units that a check took for an operation that then did not happen. ARGV: interval, cost.
GIVE_BACK = """
local before = redis.call('GET', KEYS[1])
if before then
  redis.call('SET', KEYS[1], string.format('%.0f', tonumber(before) - ARGV[1] * ARGV[2]), 'KEEPTTL')
end
"""


class _Spending(NamedTuple):
    key: str
    cost: int


class LocalRateLimiter:
    """The same limit within one process. `clock` is monotonic, in seconds."""

    def __init__(self, quota: Quota, clock: Callable[[], float] = time.monotonic) -> None:
        self._quota = quota
        self._clock = clock
        self._free_at: TtlMemory[str, int] = TtlMemory(MAX_LOCAL_KEYS, quota.period_seconds, clock)

    def check(self, key: str, cost: int = 1) -> RateDecision:
        free_at, decision = self._spent(key, cost)
        self._free_at.put(key, free_at)
        return decision

    def would(self, key: str, cost: int = 1) -> RateDecision:
        """The decision that `check` would return, without taking units."""
        return self._spent(key, cost)[1]

    def give_back(self, key: str, cost: int = 1) -> None:
        """Returns units that a check took for an operation that then did not happen."""
        self._free_at.put(key, self._free_at.get(key, 0) - cost * self._quota.interval)

    def _spent(self, key: str, cost: int) -> tuple[int, RateDecision]:
        return self._quota.spend(self._free_at.get(key, 0), int(self._clock() * 1e6), cost)


class RateLimiter:
    """`limit` units in `period_seconds` for each key. All may be used at once; they are then paid back evenly.

    Checks that wait at the same time share one call to Redis: separate calls through redis-py cost 0.15-0.2 ms CPU each.
    A down or slow Redis never fails a check and never removes the limit. Each of the service's `processes` then allows one
    whole limit at once, and afterwards its share of the limit. A refused check costs the key nothing. A cost above the
    limit is always refused.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        limit: int,
        period_seconds: int,
        name: str,
        processes: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._quota = Quota(limit, period_seconds)
        self._name = name
        self._redis = OptionalRedis(redis, used_for=f"ratelimit:{name}", clock=clock)
        self._give_back = redis.register_script(GIVE_BACK)
        # Called by EVALSHA; redis-py sends the whole script if Redis does not know it.
        self._script = redis.register_script(SCRIPT)
        self._local = LocalRateLimiter(Quota(limit, period_seconds * processes), clock)
        self._group: Batcher[_Spending, RateDecision] = Batcher(
            self._check_all, max_size=MAX_GROUP, pause_seconds=PAUSE_SECONDS, ramp_calls=RAMP_CALLS
        )

    @property
    def limit(self) -> int:
        """The highest cost that one check can ever be allowed."""
        return self._quota.limit

    def check(self, key: str, cost: int = 1) -> Awaitable[RateDecision]:
        """Takes `cost` units of `key`'s limit, or refuses. Raises ValueError for a cost below 1."""
        if cost < 1:
            raise ValueError("a check costs at least 1")
        return self._group.submit(_Spending(key, cost))

    async def give_back(self, key: str, cost: int = 1) -> None:
        """Returns units that checks took for an operation that then did not happen. Best effort."""
        try:
            await self._redis.ask(lambda _: self._give_back([self._redis_key(key)], [self._quota.interval, cost]))
        except RedisUnavailable:
            self._local.give_back(key, cost)

    def _redis_key(self, key: str) -> str:
        return f"ratelimit:{self._name}:{key}"

    async def _check_all(self, spendings: Sequence[_Spending]) -> Sequence[RateDecision]:
        """Sends each key once, even for several checks of it."""
        costs: dict[str, list[str]] = {}
        for key, cost in spendings:
            costs.setdefault(key, []).append(str(cost))
        keys = [self._redis_key(key) for key in costs]
        arguments: list[int | str] = [
            self._quota.interval,
            self._quota.burst,
            *(",".join(several) for several in costs.values()),
        ]
        try:
            now, *free_at = await self._redis.ask(lambda _: self._script(keys, arguments))
        except RedisUnavailable:
            return [self._local.check(spending.key, spending.cost) for spending in spendings]
        return self._decisions(spendings, dict(zip(costs, free_at, strict=True)), now=now)

    def _decisions(self, spendings: Sequence[_Spending], free_at: dict[str, int], *, now: int) -> list[RateDecision]:
        """Repeats the script's decisions from the values that it returned."""
        decisions = []
        for key, cost in spendings:
            free_at[key], decision = self._quota.spend(free_at[key], now, cost)
            decisions.append(decision)
        return decisions
