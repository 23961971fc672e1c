"""An attempt's place comes back, however the attempt ended."""

import asyncio

import pytest

from chassis.breaker import BreakerPolicy, BreakerState, CircuitBreaker
from delivery.outcomes import AccountRefused, Ambiguous, Outcome, ProviderDown, RetryLater, Sent
from delivery.slots import Slots, settle


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker("provider", policy=BreakerPolicy(open_seconds=0.2))


async def _break(breaker: CircuitBreaker) -> None:
    while breaker.state is not BreakerState.OPEN:
        breaker.allow().failure()


async def _is_free(slots: Slots) -> bool:
    async with asyncio.timeout(1), slots.take(5):
        return True


async def test_a_place_comes_back_when_the_work_fails(breaker) -> None:
    slots = Slots(breaker, concurrency=1)
    with pytest.raises(ValueError, match="broken"):
        async with slots.take(5):
            raise ValueError("broken")
    assert await _is_free(slots)


async def test_a_place_comes_back_from_whoever_gives_up_while_the_provider_rests(breaker) -> None:
    slots = Slots(breaker, concurrency=1)
    await _break(breaker)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), slots.take(5):
            pytest.fail("the provider rests")
    await breaker.wait_ready()
    assert await _is_free(slots)


async def test_a_permit_that_nobody_settled_is_released(breaker) -> None:
    slots = Slots(breaker, concurrency=10)
    await _break(breaker)
    await breaker.wait_ready()
    for _ in range(20):  # more than the probes that a half-open breaker lets out
        assert await _is_free(slots)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Sent(), BreakerState.CLOSED),
        (RetryLater("greylisted"), BreakerState.CLOSED),
        (AccountRefused("third_party_auth", others_pass=True), BreakerState.CLOSED),
        (AccountRefused("smtp_login"), BreakerState.OPEN),
        (ProviderDown("unreachable"), BreakerState.OPEN),
        (Ambiguous("dropped"), BreakerState.OPEN),
    ],
)
def test_the_breaker_is_told_of_what_everybody_meets(breaker, outcome: Outcome, state: BreakerState) -> None:
    for _ in range(10):
        settle(breaker.allow(), outcome)
    assert breaker.state is state
