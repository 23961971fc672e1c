import asyncio
import time

import pytest

from chassis.redis.rate_limit import LocalRateLimiter, Quota, RateLimiter


@pytest.fixture
def limiter(redis, name):
    return RateLimiter(redis, limit=5, period_seconds=60, name=name)


async def test_a_burst_of_the_whole_limit_is_allowed_and_no_more(limiter):
    decisions = [await limiter.check("user:1") for _ in range(6)]
    assert [decision.allowed for decision in decisions] == [True] * 5 + [False]
    assert [decision.remaining for decision in decisions] == [4, 3, 2, 1, 0, 0]
    assert 6 < decisions[-1].retry_after <= 12
    assert 54 < decisions[-1].reset_after <= 60


async def test_callers_do_not_share_a_limit(limiter):
    for _ in range(6):
        await limiter.check("user:1")
    assert (await limiter.check("user:2")).remaining == 4


async def test_limiters_of_other_names_do_not_share_a_limit(redis, name, limiter):
    for _ in range(6):
        await limiter.check("user:1")
    other = RateLimiter(redis, limit=5, period_seconds=60, name=f"{name}-other")
    assert (await other.check("user:1")).allowed


async def test_processes_share_a_limit(redis, name, limiter):
    other = RateLimiter(redis, limit=5, period_seconds=60, name=name)
    decisions = [await (limiter, other)[number % 2].check("user:1") for number in range(6)]
    assert [decision.allowed for decision in decisions] == [True] * 5 + [False]


async def test_a_cost_is_taken_whole_or_not_at_all(limiter):
    assert (await limiter.check("user:1", cost=4)).remaining == 1
    refused = await limiter.check("user:1", cost=2)
    assert not refused.allowed
    assert refused.remaining == 1
    assert (await limiter.check("user:1")).allowed


async def test_a_cost_above_the_limit_is_refused_and_one_below_one_is_an_error(limiter):
    assert not (await limiter.check("user:1", cost=6)).allowed
    with pytest.raises(ValueError, match="at least 1"):
        await limiter.check("user:1", cost=0)


async def test_units_are_paid_back_evenly(redis, name):
    limiter = RateLimiter(redis, limit=4, period_seconds=1, name=name)
    began = time.monotonic()
    allowed = 0
    async with asyncio.timeout(10):
        while allowed < 6:
            allowed += (await limiter.check("user:1")).allowed
    assert time.monotonic() - began >= 0.5, "four at once, then one every quarter of a second"


async def test_a_thousand_checks_at_once_allow_exactly_the_limit(redis, name):
    limiter = RateLimiter(redis, limit=100, period_seconds=3600, name=name)
    decisions = await asyncio.gather(*(limiter.check("user:1") for _ in range(1000)))
    assert sum(decision.allowed for decision in decisions) == 100
    assert [decision.remaining for decision in decisions if decision.allowed] == list(range(99, -1, -1))


async def test_in_a_group_everybody_gets_his_own_answer(limiter):
    await limiter.check("user:3", cost=5)
    decisions = await asyncio.gather(*(limiter.check(f"user:{number}", cost=number + 1) for number in range(5)))
    assert [decision.remaining for decision in decisions] == [4, 3, 2, 0, 0]
    assert [decision.allowed for decision in decisions] == [True, True, True, False, True]


async def test_a_redis_that_lost_its_scripts_is_given_them_again(redis, limiter):
    await limiter.check("user:1")
    await redis.script_flush()
    assert (await limiter.check("user:1")).remaining == 3


async def test_the_key_leaves_redis_when_all_is_paid_back(redis, name, limiter):
    await limiter.check("user:1")
    assert 0 < await redis.pttl(f"ratelimit:{name}:user:1") <= 12_000


async def test_a_clock_that_jumped_back_locks_no_caller_out_for_longer_than_a_period(redis, name, limiter):
    far_ahead = int((time.time() + 86_400) * 1e6)
    await redis.set(f"ratelimit:{name}:user:1", far_ahead, ex=60)
    assert (await limiter.check("user:1")).retry_after <= 60


async def test_redis_and_the_local_limiter_count_alike(redis, name, clock):
    together = RateLimiter(redis, limit=1000, period_seconds=86_400, name=name)
    local = LocalRateLimiter(Quota(1000, 86_400), clock)
    for cost in (1, 999, 1, 7, 3, 500, 490, 1):
        there, here = await together.check("user:1", cost), local.check("user:1", cost)
        assert (there.allowed, there.remaining) == (here.allowed, here.remaining)


async def test_without_redis_the_same_limit_holds_locally(dead_redis):
    limiter = RateLimiter(dead_redis, limit=5, period_seconds=60, name="test")
    decisions = [await limiter.check("user:1") for _ in range(200)]
    assert sum(decision.allowed for decision in decisions) == 5
    assert 6 < int(decisions[-1].headers()["Retry-After"]) <= 12


async def test_without_redis_the_processes_of_a_service_pay_back_the_limit_together(dead_redis, clock):
    limiters = [
        RateLimiter(dead_redis, limit=5, period_seconds=60, name="test", processes=2, clock=clock) for _ in range(2)
    ]

    async def allowed() -> int:
        return sum([(await limiter.check("user:1")).allowed for limiter in limiters for _ in range(20)])

    assert await allowed() == 10
    clock.advance(60)
    assert await allowed() in {4, 5}  # a half comes later


async def test_a_slow_redis_is_waited_for_once(slow_redis, silent_server):
    limiter = RateLimiter(slow_redis, limit=5, period_seconds=60, name="test")
    decisions = await asyncio.gather(*(limiter.check("user:1") for _ in range(300)))
    assert sum(decision.allowed for decision in decisions) == 5
    assert silent_server.connections == 1


def test_the_local_limit_is_paid_back_too(clock):
    local = LocalRateLimiter(Quota(5, 60), clock)
    for _ in range(5):
        assert local.check("user:1").allowed
    assert not local.check("user:1").allowed
    clock.advance(12)
    assert local.check("user:1").allowed
    assert not local.check("user:1").allowed
    clock.advance(600)
    assert local.check("user:1").remaining == 4


async def test_checks_that_came_together_count_like_checks_one_after_the_other(redis, name, clock):
    together = RateLimiter(redis, limit=10, period_seconds=86_400, name=name)
    local = LocalRateLimiter(Quota(10, 86_400), clock)
    checks = [("user:1", 4), ("user:2", 9), ("user:1", 7), ("user:1", 6), ("user:2", 2), ("user:1", 1), ("user:2", 1)]
    there = await asyncio.gather(*(together.check(caller, cost) for caller, cost in checks * 2))
    here = [local.check(caller, cost) for caller, cost in checks * 2]
    assert [(one.allowed, one.remaining) for one in there] == [(one.allowed, one.remaining) for one in here]
    assert [one.allowed for one in here[:7]] == [True, True, False, True, False, False, True]
