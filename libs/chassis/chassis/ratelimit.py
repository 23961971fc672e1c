"""Rate limits per caller: counted in Redis by all processes together, by each for itself while Redis is away."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from chassis.batcher import Batcher
from chassis.quota import Quota, RateDecision
from chassis.redis_client import OptionalRedis, RedisAway
from chassis.ttl_memory import TtlMemory

__all__ = ["LocalRateLimiter", "RateDecision", "RateLimiter"]

LOCAL_CALLERS = 100_000  # about 20 MB; a flood of invented callers cannot fill the process
MAX_GROUP = 100
PAUSE_SECONDS, RAMP_CALLS = 0.008, 2  # between two calls to Redis, once 250 checks a second come

# Quota.spend, for many callers at once. ARGV: interval, burst, then for each key the costs of its checks, in their order.
# Answers with the time, then what each key stood at: the decisions follow from these. Redis's own clock decides, so the
# processes' clocks do not matter. Numbers become text through %.0f: Lua's own conversion keeps 14 digits only.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local answers = {now}
for i, key in ipairs(KEYS) do
  local before = tonumber(redis.call('GET', key) or now)
  before = math.min(math.max(before, now), now + burst)
  local paid_at = before
  for cost in string.gmatch(ARGV[i + 2], '%d+') do
    local after = paid_at + tonumber(cost) * interval
    if after - burst <= now then paid_at = after end
  end
  if paid_at > before then
    local rest = math.ceil((paid_at - now) / 1000)
    redis.call('SET', key, string.format('%.0f', paid_at), 'PX', string.format('%.0f', rest))
  end
  answers[#answers + 1] = before
end
return answers
"""


# What a check took for something that then was not done. ARGV: interval, cost.
GIVE_BACK = """
local before = redis.call('GET', KEYS[1])
if before then
  redis.call('SET', KEYS[1], string.format('%.0f', tonumber(before) - ARGV[1] * ARGV[2]), 'KEEPTTL')
end
"""


class _Spending(NamedTuple):
    caller: str
    cost: int


class LocalRateLimiter:
    """The same limit within one process. `clock` is monotonic, in seconds."""

    def __init__(self, quota: Quota, clock: Callable[[], float] = time.monotonic) -> None:
        self._quota = quota
        self._clock = clock
        self._paid_at: TtlMemory[str, int] = TtlMemory(LOCAL_CALLERS, quota.period_seconds, clock)

    def check(self, caller: str, cost: int = 1) -> RateDecision:
        paid_at, decision = self._spent(caller, cost)
        self._paid_at.put(caller, paid_at)
        return decision

    def would(self, caller: str, cost: int = 1) -> RateDecision:
        """What `check` would say, without taking anything."""
        return self._spent(caller, cost)[1]

    def give_back(self, caller: str, cost: int = 1) -> None:
        """What a check took for something that then was not done."""
        self._paid_at.put(caller, self._paid_at.get(caller, 0) - cost * self._quota.interval)

    def _spent(self, caller: str, cost: int) -> tuple[int, RateDecision]:
        return self._quota.spend(self._paid_at.get(caller, 0), int(self._clock() * 1e6), cost)


class RateLimiter:
    """`limit` units in `period_seconds` for each caller, all at once if need be, then paid back evenly.

    Checks that wait at the same time share one call to Redis: one by one through redis-py each costs 0.15-0.2 ms CPU.
    Redis being away or slow never fails a check and never lifts the limit: each of the service's `processes` then allows a
    whole limit at once, and its share of the limit from then on. A refused check costs the caller nothing; a cost above
    the limit is always refused.
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
        self._script = redis.register_script(SCRIPT)  # EVALSHA, and again with the script when Redis does not know it
        self._local = LocalRateLimiter(Quota(limit, period_seconds * processes), clock)
        self._group: Batcher[_Spending, RateDecision] = Batcher(
            self._check_all, max_size=MAX_GROUP, pause_seconds=PAUSE_SECONDS, ramp_calls=RAMP_CALLS
        )

    @property
    def limit(self) -> int:
        """The most that one check can cost and ever be allowed."""
        return self._quota.limit

    def check(self, caller: str, cost: int = 1) -> Awaitable[RateDecision]:
        """Takes `cost` units of `caller`'s limit, or refuses. Raises ValueError for a cost below 1."""
        if cost < 1:
            raise ValueError("a check costs at least 1")
        return self._group.submit(_Spending(caller, cost))

    async def give_back(self, caller: str, cost: int = 1) -> None:
        """What checks took for something that then was not done; as well as can be."""
        try:
            await self._redis.ask(lambda _: self._give_back([self._key(caller)], [self._quota.interval, cost]))
        except RedisAway:
            self._local.give_back(caller, cost)

    def _key(self, caller: str) -> str:
        return f"ratelimit:{self._name}:{caller}"

    async def _check_all(self, spendings: Sequence[_Spending]) -> Sequence[RateDecision]:
        """One key a caller, however many of its checks came together."""
        costs: dict[str, list[str]] = {}
        for caller, cost in spendings:
            costs.setdefault(caller, []).append(str(cost))
        keys = [self._key(caller) for caller in costs]
        arguments: list[int | str] = [
            self._quota.interval,
            self._quota.burst,
            *(",".join(several) for several in costs.values()),
        ]
        try:
            now, *stood_at = await self._redis.ask(lambda _: self._script(keys, arguments))
        except RedisAway:
            return [self._local.check(spending.caller, spending.cost) for spending in spendings]
        return self._decisions(spendings, dict(zip(costs, stood_at, strict=True)), now=now)

    def _decisions(self, spendings: Sequence[_Spending], paid_at: dict[str, int], *, now: int) -> list[RateDecision]:
        """As the script came to them."""
        decisions = []
        for caller, cost in spendings:
            paid_at[caller], decision = self._quota.spend(paid_at[caller], now, cost)
            decisions.append(decision)
        return decisions
