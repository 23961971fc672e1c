"""Rate limits per caller: counted in Redis by all processes together, by each for itself while Redis is away."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from chassis.groupcommit import GroupCommit
from chassis.quota import Quota, RateDecision
from chassis.redis_client import OptionalRedis, RedisAway
from chassis.ttl_memory import TtlMemory

__all__ = ["LocalRateLimiter", "RateDecision", "RateLimiter"]

LOCAL_CALLERS = 100_000  # about 20 MB; a flood of invented callers cannot fill the process
LARGEST_GROUP = 100
PAUSE_SECONDS, CROWD = 0.01, 10  # between two calls to Redis, once a thousand checks a second come

# Quota.spend, for many callers at once. ARGV: interval, burst, then each key's cost. Redis's own clock decides, so the
# processes' clocks do not matter. Numbers become text through %.0f: Lua's own conversion keeps 14 digits only.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local answers = {}
for i, key in ipairs(KEYS) do
  local paid_at = tonumber(redis.call('GET', key) or now)
  paid_at = math.min(math.max(paid_at, now), now + burst)
  local after = paid_at + tonumber(ARGV[i + 2]) * interval
  local wait = math.max(after - burst - now, 0)
  if wait == 0 then
    paid_at = after
    redis.call('SET', key, string.format('%.0f', after), 'PX', string.format('%.0f', math.ceil((after - now) / 1000)))
  end
  answers[#answers + 1] = paid_at - now
  answers[#answers + 1] = wait
end
return answers
"""


@dataclass(frozen=True, slots=True)
class _Spending:
    caller: str
    cost: int


class LocalRateLimiter:
    """The same limit within one process. `clock` is monotonic, in seconds."""

    def __init__(self, quota: Quota, clock: Callable[[], float] = time.monotonic) -> None:
        self._quota = quota
        self._clock = clock
        self._paid_at: TtlMemory[str, int] = TtlMemory(LOCAL_CALLERS, quota.period_seconds, clock)

    def check(self, caller: str, cost: int = 1) -> RateDecision:
        now = int(self._clock() * 1e6)
        paid_at, decision = self._quota.spend(self._paid_at.get(caller, 0), now, cost)
        self._paid_at.put(caller, paid_at)
        return decision


class RateLimiter:
    """`limit` units in `period_seconds` for each caller, all at once if need be, then paid back evenly.

    Checks that wait at the same time share one call to Redis: one by one through redis-py each costs 0.15-0.2 ms CPU.
    Redis being away or slow never fails a check and never lifts the limit. A refused check costs the caller nothing; a
    cost above the limit is always refused.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        limit: int,
        period_seconds: int,
        name: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._quota = Quota(limit, period_seconds)
        self._name = name
        self._redis = OptionalRedis(redis, used_for=f"ratelimit:{name}", clock=clock)
        self._script = redis.register_script(SCRIPT)  # EVALSHA, and again with the script when Redis does not know it
        self._local = LocalRateLimiter(self._quota, clock)
        self._group: GroupCommit[_Spending, RateDecision] = GroupCommit(
            self._check_all, largest=LARGEST_GROUP, pause_seconds=PAUSE_SECONDS, crowd=CROWD
        )

    async def check(self, caller: str, cost: int = 1) -> RateDecision:
        """Takes `cost` units of `caller`'s limit, or refuses. Raises ValueError for a cost below 1."""
        if cost < 1:
            raise ValueError("a check costs at least 1")
        return await self._group.submit(_Spending(caller, cost))

    async def _check_all(self, spendings: Sequence[_Spending]) -> Sequence[RateDecision]:
        keys = [f"ratelimit:{self._name}:{spending.caller}" for spending in spendings]
        arguments = [self._quota.interval, self._quota.burst, *(spending.cost for spending in spendings)]
        try:
            answers: list[int] = await self._redis.ask(lambda _: self._script(keys, arguments))
        except RedisAway:
            return [self._local.check(spending.caller, spending.cost) for spending in spendings]
        pairs = zip(answers[::2], answers[1::2], strict=True)
        return [self._quota.decision(used=int(used), wait=int(wait)) for used, wait in pairs]
