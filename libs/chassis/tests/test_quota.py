import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.redis.rate_limit import Quota, RateDecision


def test_the_headers_are_whole_numbers_rounded_up():
    decision = RateDecision(allowed=False, limit=10, remaining=0, reset_after=59.2, retry_after=0.001)
    assert decision.headers() == {
        "RateLimit-Limit": "10",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "60",
        "Retry-After": "1",
    }


def test_an_allowed_request_has_no_retry_after():
    decision = RateDecision(allowed=True, limit=10, remaining=9, reset_after=6.0, retry_after=0.0)
    assert "Retry-After" not in decision.headers()
    assert decision.headers()["RateLimit-Reset"] == "6"


@pytest.mark.parametrize(("limit", "period"), [(0, 1), (1, 0), (-1, 60), (1_000_001, 1)])
def test_impossible_limits_are_refused(limit, period):
    with pytest.raises(ValueError, match="a limit is"):
        Quota(limit, period)


def test_a_clock_that_jumped_back_locks_no_caller_out_for_longer_than_a_period():
    quota = Quota(10, 60)
    _, decision = quota.spend(free_at=10**15, now=1_000_000, cost=1)
    assert decision.retry_after <= 60


@given(
    limit=st.integers(1, 500),
    period=st.integers(1, 3600),
    steps=st.lists(st.tuples(st.integers(0, 10_000_000), st.integers(1, 5)), max_size=300),
)
def test_no_window_ever_gives_more_than_twice_the_limit(limit, period, steps):
    """A caller gets at most a full burst and the units that are paid back during the period."""
    quota, free_at, now, spent = Quota(limit, period), 0, 10**15, []
    for step, cost in steps:
        now += step
        free_at, decision = quota.spend(free_at, now, cost)
        assert 0 <= decision.remaining <= limit
        if decision.allowed:
            spent.append((now, cost))
        window = [amount for at, amount in spent if at > now - quota.burst]
        assert sum(window) <= 2 * limit


@given(limit=st.integers(1, 2_000), period=st.integers(1, 86_400))
def test_a_fresh_caller_has_exactly_the_limit(limit, period):
    quota, free_at = Quota(limit, period), 0
    now = 1_800_000_000_000_000
    for left in range(limit - 1, -1, -1):
        free_at, decision = quota.spend(free_at, now, 1)
        assert decision.allowed
        assert decision.remaining == left
    assert not quota.spend(free_at, now, 1)[1].allowed


@given(
    limit=st.integers(1, 5_000),
    period=st.integers(1, 3600),
    used=st.integers(0, 5_000),
    cost=st.integers(1, 5_000),
    pause=st.integers(0, 10**9),
)
def test_waiting_for_retry_after_is_enough_for_any_cost_within_the_limit(limit, period, used, cost, pause):
    quota, now = Quota(limit, period), 1_800_000_000_000_000
    free_at, _ = quota.spend(0, now, max(1, min(used, limit)))
    now += pause
    free_at, decision = quota.spend(free_at, now, min(cost, limit))
    if not decision.allowed:
        now += int(decision.headers()["Retry-After"]) * 1_000_000
        assert quota.spend(free_at, now, min(cost, limit))[1].allowed
