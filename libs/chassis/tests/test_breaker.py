import asyncio

import pytest
from prometheus_client import CollectorRegistry

from chassis.errors import Unavailable
from chassis.process.breaker import BreakerPolicy, BreakerState, CircuitBreaker, CircuitOpen, breaker_metrics
from testkit.eventually import other_tasks

POLICY = BreakerPolicy(window_seconds=30, minimum_calls=4, failure_rate=0.5, open_seconds=10, probes=2)


@pytest.fixture
def changes():
    return []


@pytest.fixture
def breaker(clock, changes):
    return CircuitBreaker("smtp", policy=POLICY, clock=clock, on_change=changes.append)


def trip(breaker):
    for _ in range(POLICY.minimum_calls):
        breaker.allow().failure()
    assert breaker.state is BreakerState.OPEN


def test_it_opens_on_the_rate_even_when_failures_are_never_consecutive(breaker):
    for _ in range(2):
        breaker.allow().success()
        breaker.allow().failure()
    assert breaker.state is BreakerState.OPEN


def test_few_calls_never_open_it(breaker):
    for _ in range(POLICY.minimum_calls - 1):
        breaker.allow().failure()
    assert breaker.state is BreakerState.CLOSED


def test_a_rate_below_the_limit_never_opens_it(breaker):
    for _ in range(100):
        for _ in range(3):
            breaker.allow().success()
        breaker.allow().failure()
    assert breaker.state is BreakerState.CLOSED


def test_failures_older_than_the_window_do_not_count(breaker, clock):
    for _ in range(3):
        breaker.allow().failure()
    clock.advance(POLICY.window_seconds + 1)
    breaker.allow().failure()
    assert breaker.state is BreakerState.CLOSED


def test_open_it_refuses_and_says_when_to_come_back(breaker, clock):
    trip(breaker)
    clock.advance(3)
    with pytest.raises(CircuitOpen) as refusal:
        breaker.allow()
    assert refusal.value.retry_after == 7
    assert refusal.value.headers["Retry-After"] == "7"
    assert isinstance(refusal.value, Unavailable)


def test_half_open_it_lets_no_more_than_the_probes_through(breaker, clock):
    trip(breaker)
    clock.advance(10)
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.allow()
    breaker.allow()
    with pytest.raises(CircuitOpen) as refusal:
        breaker.allow()
    assert refusal.value.retry_after > 0


def test_it_closes_after_enough_successful_probes(breaker, clock, changes):
    trip(breaker)
    clock.advance(10)
    breaker.allow().success()
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.allow().success()
    assert breaker.state is BreakerState.CLOSED
    assert changes == [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]
    breaker.allow().failure()
    assert breaker.state is BreakerState.CLOSED, "the failures from before are forgotten"


def test_successes_do_not_open_more_places_than_there_are_probes(breaker, clock):
    trip(breaker)
    clock.advance(10)
    breaker.allow().success()
    breaker.allow()
    with pytest.raises(CircuitOpen):
        breaker.allow()


def test_any_failed_probe_opens_it_for_the_whole_time_again(breaker, clock):
    trip(breaker)
    clock.advance(10)
    breaker.allow().success()
    breaker.allow().failure()
    assert breaker.state is BreakerState.OPEN
    assert breaker.retry_after == 10


def test_a_released_probe_gives_its_place_back(breaker, clock):
    trip(breaker)
    clock.advance(10)
    breaker.allow()
    breaker.allow().give_back()
    breaker.allow()


def test_a_permit_counts_once(breaker, clock):
    trip(breaker)
    clock.advance(10)
    permit = breaker.allow()
    permit.success()
    permit.success()
    permit.failure()
    permit.give_back()
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_slow_call_from_before_neither_closes_nor_opens_it(breaker, clock):
    slow = [breaker.allow() for _ in range(4)]
    trip(breaker)
    clock.advance(10)
    assert breaker.state is BreakerState.HALF_OPEN
    slow[0].failure()
    slow[1].success()
    slow[2].success()
    slow[3].give_back()
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.allow()
    breaker.allow()
    with pytest.raises(CircuitOpen):
        breaker.allow()


async def call(breaker, error=None, **options):
    async with breaker.guard(**options):
        if error:
            raise error


async def test_the_guard_counts_exceptions(breaker):
    for _ in range(POLICY.minimum_calls):
        with pytest.raises(OSError, match="down"):
            await call(breaker, OSError("down"))
    with pytest.raises(CircuitOpen):
        await call(breaker)


async def test_a_call_that_was_never_made_says_nothing(breaker, clock):
    for _ in range(20):
        with pytest.raises(KeyError):
            await call(breaker, KeyError("no place"), never_made=KeyError)
    assert breaker.state is BreakerState.CLOSED
    trip(breaker)
    clock.advance(10)
    for _ in range(2 * POLICY.probes):
        with pytest.raises(KeyError):
            await call(breaker, KeyError("no place"), never_made=KeyError)
    assert breaker.state is BreakerState.HALF_OPEN, "it is no answer either"


async def test_a_cancelled_call_gives_its_probe_place_back(breaker, clock):
    trip(breaker)
    clock.advance(10)
    begun = asyncio.Semaphore(0)

    async def hang():
        async with breaker.guard():
            begun.release()
            await asyncio.Event().wait()

    probes = [asyncio.create_task(hang()) for _ in range(2)]
    for _ in probes:
        await begun.acquire()
    with pytest.raises(CircuitOpen):
        breaker.allow()
    probes[0].cancel()
    await asyncio.wait(probes[:1])
    assert breaker.state is BreakerState.HALF_OPEN, "a cancellation says nothing of the dependency"
    breaker.allow()
    probes[1].cancel()
    await asyncio.wait(probes)


async def test_wait_ready_returns_at_once_while_closed(breaker):
    async with asyncio.timeout(1):
        await breaker.wait_ready()


async def test_wait_ready_returns_when_the_open_time_is_over():
    policy = BreakerPolicy(minimum_calls=1, open_seconds=0.05)
    breaker = CircuitBreaker("smtp", policy=policy)
    breaker.allow().failure()
    async with asyncio.timeout(5):
        await breaker.wait_ready()
    breaker.allow().success()


async def test_wait_ready_waits_for_a_place_among_the_probes(breaker, clock):
    trip(breaker)
    clock.advance(10)
    probe, _ = breaker.allow(), breaker.allow()
    waiting = asyncio.create_task(breaker.wait_ready())
    await other_tasks(5)
    assert not waiting.done()
    probe.give_back()
    async with asyncio.timeout(5):
        await waiting


async def test_wait_ready_goes_on_waiting_when_a_probe_fails(breaker, clock):
    trip(breaker)
    clock.advance(10)
    probe, _ = breaker.allow(), breaker.allow()
    waiting = asyncio.create_task(breaker.wait_ready())
    await other_tasks()
    probe.failure()
    await other_tasks(5)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_wait_open_returns_when_the_breaker_opens_and_not_before(breaker):
    waiting = asyncio.create_task(breaker.wait_open())
    await other_tasks(5)
    assert not waiting.done()
    trip(breaker)
    async with asyncio.timeout(5):
        await waiting
    async with asyncio.timeout(5):
        await breaker.wait_open()  # at once


async def test_wait_open_waits_again_once_the_open_time_is_over(breaker, clock):
    trip(breaker)
    clock.advance(10)
    waiting = asyncio.create_task(breaker.wait_open())
    await other_tasks(5)
    assert not waiting.done()
    breaker.allow().failure()
    async with asyncio.timeout(5):
        await waiting


def test_breakers_of_one_service_share_a_gauge(clock):
    registry = CollectorRegistry()
    for name in ("smtp", "fcm"):
        gauge = breaker_metrics(registry).labels(name)
        breaker = CircuitBreaker(name, policy=POLICY, clock=clock, on_change=gauge.set)
        assert registry.get_sample_value("circuit_breaker_state", {"name": name}) == 0
    trip(breaker)
    assert registry.get_sample_value("circuit_breaker_state", {"name": "fcm"}) == 2
    assert registry.get_sample_value("circuit_breaker_state", {"name": "smtp"}) == 0
    assert breaker_metrics(CollectorRegistry()) is not breaker_metrics(registry)
