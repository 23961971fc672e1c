"""Pure decisions: when to try again, what goes into the ledger, what a whole notification is said to be."""

from uuid import uuid4

import pytest

from delivery.backoff import RetryPolicy
from delivery.ledger import Claimed, Closed, InOtherHands, Recorded
from delivery.outcomes import Ambiguous, Expired, Permanent, ProviderDown, RetryLater, Sent, Suppressed, Unknown
from delivery.verdict import record_of, verdict_of

POLICY = RetryPolicy(max_retries=2, base_seconds=2, longest_seconds=10)


@pytest.mark.parametrize(("attempts", "ceiling"), [(1, 2), (2, 4), (3, 8), (4, 10), (50, 10)])
def test_waits_double_up_to_the_longest_with_full_jitter(attempts: int, ceiling: float) -> None:
    assert POLICY.delay(attempts, roll=1) == ceiling
    assert POLICY.delay(attempts, roll=0) == 0
    assert all(0 <= POLICY.delay(attempts) <= ceiling for _ in range(50))


def test_a_providers_wish_is_a_floor() -> None:
    assert POLICY.delay_after(RetryLater("x", after_seconds=60), 1) >= 60
    assert POLICY.delay_after(ProviderDown("x", after_seconds=30), 0) >= 30
    assert POLICY.delay_after(ProviderDown("x"), 0) >= POLICY.down_seconds


@pytest.mark.parametrize(
    ("outcome", "before", "state", "attempts", "code"),
    [
        (Sent("p"), 0, "sent", 1, None),
        (Permanent("bounced"), 0, "failed", 1, "bounced"),
        (Suppressed("opted_out"), 1, "suppressed", 1, "opted_out"),
        (Expired(), 1, "expired", 1, "expired"),
        (RetryLater("greylisted"), 0, "retry", 1, "greylisted"),
        (RetryLater("greylisted"), 1, "retry", 2, "greylisted"),
        (RetryLater("greylisted"), 2, "failed", 3, "exhausted"),
        (Ambiguous("dropped"), 2, "unknown", 3, "exhausted"),
        (ProviderDown("unreachable"), 2, "retry", 2, "unreachable"),
        (Unknown("no_answer", attempted=True), 0, "unknown", 1, "no_answer"),
        (Unknown("worker_lost"), 1, "unknown", 1, "worker_lost"),
    ],
)
def test_what_an_outcome_means_for_the_ledger(outcome, before: int, state: str, attempts: int, code) -> None:
    row = record_of(Recorded(uuid4(), "r"), outcome, Claimed(before, 0, expired=False), POLICY)
    assert (row.state, row.attempts, row.code) == (state, attempts, code)
    assert row.doubt == int(isinstance(outcome, Ambiguous) or outcome == Unknown("no_answer", attempted=True))
    assert row.deferred == int(isinstance(outcome, ProviderDown))


def _result(state: str, **fields) -> Recorded:
    return Recorded(uuid4(), "r", state, **fields)


CLOSED = Closed("sent", 1, None, None, "p", 0)


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([_result("sent")], "sent"),
        ([_result("failed"), _result("sent")], "sent"),
        ([_result("failed"), _result("retry")], "retrying"),
        ([_result("failed"), InOtherHands()], "retrying"),
        ([_result("sent"), InOtherHands()], "sent"),
        ([_result("failed"), _result("failed")], "failed"),
        ([CLOSED], "sent"),
        ([_result("suppressed")], "suppressed"),
        ([_result("expired")], "expired"),
    ],
)
def test_one_device_that_got_it_is_enough_and_one_that_may_still_get_it_is_hope(results, status: str) -> None:
    verdict = verdict_of(results)
    assert verdict is not None
    assert verdict.status == status


def test_what_others_have_in_hand_is_theirs_to_report() -> None:
    assert verdict_of([InOtherHands(), InOtherHands()]) is None


def test_the_gateway_hears_of_the_first_deferral_only() -> None:
    for told_before in (False, True):
        verdict = verdict_of([_result("retry", deferred=1, told_before=told_before)])
        assert verdict is not None
        assert verdict.news is not told_before
