"""When it is tried again: by table, and for any history."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.decisions import (
    LAST_TRY_SECONDS,
    MAX_ACCOUNT_SECONDS,
    MAX_BUSY_SECONDS,
    MAX_REFUSING_SECONDS,
    GiveUp,
    RetryPolicy,
    Spent,
    TryAgain,
)
from delivery.outcomes import AccountRefused, Ambiguous, Defect, Postponed, ProviderDown, RetryLater
from delivery.settings import WorkerSettings

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
POLICY = RetryPolicy()
HOURS = 3600.0


def in_(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def pause(
    outcome, spent: Spent = Spent(), *, policy: RetryPolicy = POLICY, expires_at: datetime | None = None
) -> float:
    decision = policy.decide(outcome, spent, now=NOW, expires_at=expires_at)
    assert isinstance(decision, TryAgain), decision
    return decision.seconds


def pauses_until_the_end(
    policy: RetryPolicy, outcome, *, expires_in: float | None = None, max_pauses: int = 500
) -> list[float]:
    """The pauses of a delivery that meets the same outcome every time, until it is given up or has expired."""
    pauses: list[float] = []
    clock = 0.0
    end = None if expires_in is None else in_(expires_in)
    while len(pauses) < max_pauses and (expires_in is None or clock < expires_in):
        spent = Spent(len(pauses), NOW if pauses else None, 0, 0)
        if isinstance(outcome, Defect | Ambiguous):
            spent = Spent(faults=len(pauses))
        match policy.decide(outcome, spent, now=in_(clock), expires_at=end):
            case TryAgain(seconds):
                pauses.append(seconds)
                clock += seconds
            case GiveUp():
                break
    return pauses


def test_not_now_is_tried_again_for_six_hours_with_pauses_up_to_half_an_hour() -> None:
    pauses = pauses_until_the_end(POLICY, RetryLater("greylisted"))
    assert sum(pauses) == pytest.approx(6 * HOURS)
    assert max(pauses) <= 1800
    assert 20 <= len(pauses) <= 40, "the notification's timeline has a line for each"
    assert sum(pauses[:7]) < 300, "greylisting wants minutes: what waits for that is not late by more"


def test_the_settings_defaults_are_the_policys() -> None:
    defaults = {name: field.default for name, field in WorkerSettings.model_fields.items()}
    expected = RetryPolicy(
        max_retries=defaults["max_retries"],
        window_seconds=defaults["retry_window_seconds"],
        base_seconds=defaults["retry_base_seconds"],
        longest_seconds=defaults["retry_longest_seconds"],
        down_seconds=defaults["down_retry_seconds"],
    )
    assert expected == POLICY


@pytest.mark.parametrize("outcome", [Defect("x"), Ambiguous("x")])
def test_defects_and_ambiguous_attempts_are_retried_a_few_times(outcome) -> None:
    pauses = pauses_until_the_end(POLICY, outcome)
    assert len(pauses) == POLICY.max_retries
    assert 31 <= sum(pauses) <= 62


def test_a_refusal_for_now_leaves_the_other_budget_alone_and_the_other_way_round() -> None:
    assert pause(Ambiguous("x"), Spent(times_refused=30, refused_since=in_(-9 * HOURS))) <= 2
    assert pause(RetryLater("x"), Spent(faults=5)) <= 2


@pytest.mark.parametrize(
    ("outcome", "spent", "minimum", "maximum"),
    [
        (RetryLater("x"), Spent(), 1, 2),
        (RetryLater("x"), Spent(times_refused=1, refused_since=NOW), 2, 4),
        (RetryLater("x"), Spent(times_refused=9, refused_since=NOW), 512, 1024),
        (RetryLater("x"), Spent(times_refused=10, refused_since=NOW), 900, 1800),
        (RetryLater("x"), Spent(times_refused=5_000, refused_since=NOW), 900, 1800),
        # Until the end of the window.
        (RetryLater("x"), Spent(times_refused=20, refused_since=in_(-6 * HOURS + 60)), 60, 60),
        (RetryLater("x", after_seconds=300), Spent(), 300, 360),
        (RetryLater("x", after_seconds=0), Spent(), 1, 2),
        (RetryLater("x", after_seconds=1), Spent(times_refused=9, refused_since=NOW), 512, 1024),
        (RetryLater("x", after_seconds=3600), Spent(times_refused=9, refused_since=in_(-6 * HOURS + 60)), 3600, 4320),
        (Defect("x"), Spent(), 1, 2),
        (Ambiguous("x"), Spent(faults=4), 16, 32),
        (ProviderDown("x"), Spent(times_without_attempt=99), 5, 10),
        (ProviderDown("x", after_seconds=30), Spent(), 30, 36),
        (AccountRefused("x"), Spent(), 5, 10),
        (AccountRefused("x"), Spent(times_without_attempt=3), 40, 80),
        (AccountRefused("x"), Spent(times_without_attempt=10_000), MAX_ACCOUNT_SECONDS / 2, MAX_ACCOUNT_SECONDS),
        (Postponed("x"), Spent(), 5, 10),
        (Postponed("x"), Spent(times_without_attempt=10_000), MAX_REFUSING_SECONDS / 2, MAX_REFUSING_SECONDS),
        (Postponed("x", refusing=False), Spent(times_without_attempt=10_000), MAX_BUSY_SECONDS / 2, MAX_BUSY_SECONDS),
        (Postponed("x", urgent=True), Spent(times_without_attempt=10_000), 5, 10),
        (Postponed("x", after_seconds=300), Spent(), 300, 360),
        (Postponed("x"), Spent(refused_since=in_(-6 * HOURS + 4)), 4, 4),  # to the end of the window
        (Postponed("x", refusing=False), Spent(refused_since=in_(-9 * HOURS)), 5, 10),
    ],
)
def test_the_pause_fits_the_kind_of_fault(outcome, spent: Spent, minimum: float, maximum: float) -> None:
    for _ in range(200):
        assert minimum <= pause(outcome, spent) <= maximum


@pytest.mark.parametrize(
    ("outcome", "spent"),
    [
        (RetryLater("x"), Spent(times_refused=3, refused_since=in_(-6 * HOURS))),
        (Postponed("x"), Spent(refused_since=in_(-6 * HOURS))),
        (Defect("x"), Spent(faults=5)),
        (Ambiguous("x"), Spent(faults=5)),
    ],
)
def test_a_budget_ends(outcome, spent: Spent) -> None:
    assert POLICY.decide(outcome, spent, now=NOW) == GiveUp()


@pytest.mark.parametrize(
    ("outcome", "expires_in", "seconds"),
    [
        (RetryLater("x", after_seconds=60), 1000, None),
        (RetryLater("x", after_seconds=60), 60, 60),  # the provider would not take it in time: it ends as expired
        (RetryLater("x", after_seconds=60), 50, 50),
        (RetryLater("x"), 3, None),
        (RetryLater("x"), 0.5, 0.5),
        (RetryLater("x"), -5, 0),
        (ProviderDown("x"), 5 + LAST_TRY_SECONDS - 1, 4),
        (AccountRefused("x", after_seconds=30), 20, 20),
    ],
)
def test_a_retry_is_not_made_after_the_expiry(outcome, expires_in: float, seconds: float | None) -> None:
    found = pause(outcome, expires_at=in_(expires_in))
    assert found <= max(0, expires_in)
    if seconds is not None:
        assert found == pytest.approx(seconds)


def test_a_pause_beyond_the_expiry_becomes_a_last_attempt_just_before_it() -> None:
    spent = Spent(times_refused=10, refused_since=in_(-1800))
    assert pause(RetryLater("x"), spent, expires_at=in_(600)) == 600 - LAST_TRY_SECONDS


POLICIES = st.builds(
    RetryPolicy,
    max_retries=st.integers(0, 100),
    window_seconds=st.floats(0, 1e6),
    base_seconds=st.floats(0.01, 60),
    longest_seconds=st.floats(60, 3600),
    down_seconds=st.floats(0.01, 600),
)
SPENT = st.builds(
    Spent,
    times_refused=st.integers(0, 10**6),
    refused_since=st.none() | st.floats(-1e6, 1e6).map(in_),
    faults=st.integers(0, 100),
    times_without_attempt=st.integers(0, 10**6),
)
WISHES = st.none() | st.floats(0, 3600)
OUTCOMES = st.one_of(
    st.builds(RetryLater, st.just("x"), after_seconds=WISHES),
    st.builds(ProviderDown, st.just("x"), after_seconds=WISHES),
    st.builds(AccountRefused, st.just("x"), after_seconds=WISHES, affects_all=st.booleans()),
    st.builds(Postponed, st.just("x"), after_seconds=WISHES, refusing=st.booleans()),
    st.just(Defect("x")),
    st.just(Ambiguous("x")),
)


@given(POLICIES, OUTCOMES, SPENT, st.none() | st.floats(-100, 1e6))
def test_a_retry_is_in_the_future_and_not_after_the_expiry(
    policy: RetryPolicy, outcome, spent: Spent, expires_in: float | None
) -> None:
    expires_at = None if expires_in is None else in_(expires_in)
    match policy.decide(outcome, spent, now=NOW, expires_at=expires_at):
        case TryAgain(seconds) if expires_in is None:
            assert seconds > 0
            assert seconds >= (getattr(outcome, "after_seconds", None) or 0)
        case TryAgain(seconds):
            assert 0 <= seconds <= max(0.0, expires_in) + 1e-6
        case GiveUp():
            assert not isinstance(outcome, ProviderDown), "no notification fails because a provider is down"


@given(st.floats(0.1, 60), st.floats(60, 3600), st.floats(10, 40_000))
def test_pauses_grow_and_fill_the_window(base: float, longest: float, window: float) -> None:
    policy = RetryPolicy(base_seconds=base, longest_seconds=longest, window_seconds=window)
    pauses = pauses_until_the_end(policy, RetryLater("x"), max_pauses=5_000)
    assert window - base / 2 <= sum(pauses) + 1e-3
    assert sum(pauses) <= window + 1e-3
    ceilings = [min(longest, base * 2**index) for index in range(len(pauses))]
    assert ceilings == sorted(ceilings)
    for found, ceiling in zip(pauses[:-1], ceilings, strict=False):  # the last one is what was left of the window
        assert ceiling / 2 <= found <= ceiling


@given(st.floats(1, 50_000))
def test_every_story_with_an_expiry_ends_by_it(expires_in: float) -> None:
    assert sum(pauses_until_the_end(POLICY, RetryLater("x"), expires_in=expires_in)) <= expires_in + 1e-3
