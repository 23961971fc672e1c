"""From outcomes to the ledger's rows, and from a notification's recipients to its one status: pure functions."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from chassis.cleaning import cleaned
from contracts.messages import EventStatus
from delivery.backoff import GiveUp, RetryPolicy, Spent, TryAgain
from delivery.ledger import Claimed, Closed, InOtherHands, Recorded
from delivery.outcomes import (
    Ambiguous,
    Defect,
    Expired,
    Outcome,
    Permanent,
    ProviderDown,
    RetryLater,
    Sent,
    Suppressed,
    Unknown,
)


def record_of(
    row: Recorded,
    outcome: Outcome,
    before: Claimed,
    policy: RetryPolicy,
    *,
    now: datetime,
    expires_at: datetime | None,
) -> Recorded:
    """`row`, which names the delivery, filled in with what an outcome means. Providers' words are cleaned on the way."""
    filled = _filled(row, outcome, before, policy, now=now, expires_at=expires_at)
    return replace(
        filled,
        code=_clean(filled.code),
        detail=_clean(filled.detail),
        provider_message_id=_clean(filled.provider_message_id),
    )


def _clean(text: str | None) -> str | None:
    return None if text is None else cleaned(text)


def _filled(
    row: Recorded,
    outcome: Outcome,
    before: Claimed,
    policy: RetryPolicy,
    *,
    now: datetime,
    expires_at: datetime | None,
) -> Recorded:
    attempts = before.attempts + int(_reached_provider(outcome))
    row = replace(row, attempts=attempts, faults=before.faults, told_before=before.deferrals > 0)
    if not isinstance(outcome, ProviderDown | RetryLater | Defect | Ambiguous):
        return _ended(row, outcome)
    spent = Spent(before.attempts - before.faults, before.refused_since, before.faults, before.deferrals)
    decision = policy.decide(outcome, spent, now=now, expires_at=expires_at)
    match outcome:
        case ProviderDown():
            row = replace(row, deferred=1)
        case RetryLater():
            row = replace(row, refused=True)
        case Defect() | Ambiguous():
            row = replace(row, faults=before.faults + 1, doubt=int(isinstance(outcome, Ambiguous)))
    match decision:
        case TryAgain(seconds):
            return replace(row, state="retry", code=outcome.code, detail=outcome.detail, delay=seconds)
        case GiveUp():  # an attempt may have arrived: "failed" would be a guess
            end = "unknown" if isinstance(outcome, Ambiguous) or before.doubtful else "failed"
            return replace(row, state=end, code="exhausted", detail=f"{outcome.code}: {outcome.detail}")


def _ended(row: Recorded, outcome: Sent | Suppressed | Expired | Permanent | Unknown) -> Recorded:
    match outcome:
        case Sent(provider_message_id):
            return replace(row, state="sent", provider_message_id=provider_message_id)
        case Suppressed(code):
            return replace(row, state="suppressed", code=code)
        case Expired():
            return replace(row, state="expired", code="expired")
        case Permanent(code, detail):
            return replace(row, state="failed", code=code, detail=detail)
        case Unknown(code, detail, attempted):
            return replace(row, state="unknown", code=code, detail=detail, doubt=int(attempted))


def _reached_provider(outcome: Outcome) -> bool:
    """Only a provider that answered (or may have) has cost an attempt."""
    match outcome:
        case Suppressed() | Expired() | ProviderDown():
            return False
        case Unknown(attempted=attempted):
            return attempted
        case _:
            return True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of a whole notification. `news` is False when the gateway has heard it already."""

    status: EventStatus
    attempts: int
    code: str | None = None
    detail: str | None = None
    provider_message_id: str | None = None
    news: bool = True


Result = Recorded | Closed | InOtherHands
# One device that got it is enough for `sent`; while one may still get it the notification is not lost.
_END: dict[str, EventStatus] = {
    "sent": "sent",
    "failed": "failed",
    "suppressed": "suppressed",
    "expired": "expired",
    "unknown": "unknown",
}
BEST_FIRST = ("sent", "retry", "unknown", "failed", "suppressed", "expired")


def verdict_of(results: Collection[Result]) -> Verdict | None:
    """None: everything is in other hands, which will report."""
    told = [result for result in results if not isinstance(result, InOtherHands)]
    if not told:
        return None
    best = min(told, key=lambda result: BEST_FIRST.index(result.state))
    attempts = max(result.attempts for result in told)
    if best.state == "retry" or (best.state != "sent" and len(told) < len(results)):
        return Verdict("retrying", attempts, best.code, best.detail, news=_is_news(best))
    return Verdict(_END[best.state], attempts, best.code, best.detail, best.provider_message_id)


def _is_news(result: Recorded | Closed) -> bool:
    """While a provider is down for hours its rows come and go; the gateway is told of the first time only."""
    return not (isinstance(result, Recorded) and result.deferred and result.told_before)
