"""Pure decisions: records for the ledger, and reports of notifications."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from chassis.process.breaker import BreakerState, CircuitBreaker
from delivery.decisions import RetryPolicy, record_of, report_of
from delivery.ledger import AlreadyFinished, Claimed, DeliveryKey, DeliveryRecord, NotOwned
from delivery.outcomes import (
    AccountRefused,
    Ambiguous,
    Defect,
    Expired,
    Outcome,
    Permanent,
    Postponed,
    ProviderDown,
    RetryLater,
    Sent,
    Suppressed,
    Unknown,
)
from delivery.providers import Provider

POLICY = RetryPolicy(max_retries=2, window_seconds=100, base_seconds=2, longest_seconds=10)
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("outcome", "before", "state", "attempts", "code"),
    [
        (Sent("p"), {}, "sent", 1, None),
        (Permanent("bounced"), {}, "failed", 1, "bounced"),
        (Suppressed("opted_out"), {"attempts": 1}, "suppressed", 1, "opted_out"),
        (Expired(), {"attempts": 1}, "expired", 1, "expired"),
        (RetryLater("greylisted"), {}, "retry", 1, "greylisted"),
        (RetryLater("greylisted"), {"attempts": 20, "refused_since": _ago(99)}, "retry", 21, "greylisted"),
        (RetryLater("greylisted"), {"attempts": 3, "refused_since": _ago(100)}, "failed", 4, "exhausted"),
        (RetryLater("greylisted"), {"attempts": 2, "faults": 2}, "retry", 3, "greylisted"),
        (Defect("rendering_failed"), {"attempts": 1, "faults": 1}, "retry", 2, "rendering_failed"),
        (Defect("rendering_failed"), {"attempts": 2, "faults": 2}, "failed", 3, "exhausted"),
        (Ambiguous("dropped"), {"attempts": 2, "faults": 2}, "unknown", 3, "exhausted"),
        (Ambiguous("dropped"), {"attempts": 9, "faults": 1, "refused_since": _ago(500)}, "retry", 10, "dropped"),
        (ProviderDown("unreachable"), {"attempts": 2, "faults": 2}, "retry", 2, "unreachable"),
        (ProviderDown("unreachable"), {"attempts": 2, "refused_since": _ago(500)}, "retry", 2, "unreachable"),
        (
            AccountRefused("smtp_login"),
            {"attempts": 9, "faults": 9, "times_without_attempt": 999},
            "retry",
            9,
            "smtp_login",
        ),
        (Unknown("no_answer", attempted=True), {}, "unknown", 1, "no_answer"),
        (Unknown("worker_lost"), {"attempts": 1}, "unknown", 1, "worker_lost"),
    ],
)
def test_each_outcome_has_its_record_in_the_ledger(outcome, before: dict, state: str, attempts: int, code) -> None:
    claimed = Claimed(**{"attempts": 0, "times_without_attempt": 0, "expired": False} | before)
    row = record_of(DeliveryKey(uuid4(), "r", 0), outcome, claimed, POLICY, now=NOW, expires_at=None)
    assert (row.state, row.attempts, row.code) == (state, attempts, code)
    assert row.ambiguous == int(isinstance(outcome, Ambiguous) or outcome == Unknown("no_answer", attempted=True))
    assert row.without_attempt == int(isinstance(outcome, ProviderDown))
    assert row.refused_for_now == isinstance(outcome, RetryLater)
    assert row.faults == claimed.faults + isinstance(outcome, Ambiguous | Defect)


@pytest.mark.parametrize("refusing", [True, False])
def test_postponed_spends_no_attempt_and_begins_the_window_if_the_domain_refuses(refusing: bool) -> None:
    row = _record_of(Postponed("domain_throttled", refusing=refusing))
    assert (row.state, row.attempts, row.faults, row.without_attempt, row.refused_for_now) == (
        "retry",
        0,
        0,
        1,
        refusing,
    )


def test_a_delivery_that_is_postponed_until_the_end_of_the_window_fails() -> None:
    before = Claimed(0, 7, expired=False, refused_since=_ago(100))
    row = record_of(DeliveryKey(uuid4(), "r", 0), Postponed("x"), before, POLICY, now=NOW, expires_at=None)
    assert (row.state, row.code, row.attempts) == ("failed", "exhausted", 0)


def _record_of(outcome: Outcome) -> DeliveryRecord:
    before = Claimed(0, 0, expired=False)
    return record_of(DeliveryKey(uuid4(), "r", 0), outcome, before, POLICY, now=NOW, expires_at=None)


def test_providers_words_are_kept_without_what_no_database_takes() -> None:
    outcome = Permanent("bounced", "no\x00such \ud800user" + "x" * 2_000)
    row = _record_of(outcome)
    assert row.detail is not None
    assert row.detail.startswith("nosuch userx")
    assert len(row.detail) == 1_000
    assert _record_of(Sent("p\x00-1")).provider_message_id == "p-1"


def _result(state: str, **fields) -> DeliveryRecord:
    return DeliveryRecord(uuid4(), "r", state, **fields)


CLOSED = AlreadyFinished("sent", 1, None, None, "p", 0)


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([_result("sent")], "sent"),
        ([_result("failed"), _result("sent")], "sent"),
        ([_result("failed"), _result("retry")], "retrying"),
        ([_result("failed"), NotOwned()], "retrying"),
        ([_result("sent"), NotOwned()], "sent"),
        ([_result("failed"), _result("failed")], "failed"),
        ([CLOSED], "sent"),
        ([_result("suppressed")], "suppressed"),
        ([_result("expired")], "expired"),
    ],
)
def test_one_device_that_got_it_is_enough_and_one_that_may_still_get_it_is_hope(results, status: str) -> None:
    report = report_of(results)
    assert report is not None
    assert report.status == status


def test_other_workers_report_the_deliveries_that_they_own() -> None:
    assert report_of([NotOwned(), NotOwned()]) is None


def test_only_the_first_deferral_is_reported() -> None:
    for reported_before in (False, True):
        report = report_of([_result("retry", without_attempt=1, reported_before=reported_before)])
        assert report is not None
        assert report.is_new is not reported_before


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Sent(), BreakerState.CLOSED),
        (RetryLater("greylisted"), BreakerState.CLOSED),
        (AccountRefused("third_party_auth", affects_all=False), BreakerState.CLOSED),
        (AccountRefused("smtp_login"), BreakerState.OPEN),
        (ProviderDown("unreachable"), BreakerState.OPEN),
        (Ambiguous("dropped"), BreakerState.OPEN),
    ],
)
def test_only_failures_that_affect_all_messages_count_for_the_breaker(outcome: Outcome, state: BreakerState) -> None:
    breaker = CircuitBreaker("provider")
    for _ in range(10):
        Provider(breaker).take().report(outcome)
    assert breaker.state is state
