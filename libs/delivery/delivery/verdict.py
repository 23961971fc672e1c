"""From outcomes to the ledger's rows, and from a notification's recipients to its one status: pure functions."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypedDict

from chassis.cleaning import cleaned
from contracts.messages import EventStatus
from delivery.backoff import GiveUp, RetryPolicy, Spent, TryAgain, Unfinished
from delivery.ledger import AlreadyFinished, Claimed, NotOwned, Recorded
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


class _Filled(TypedDict, total=False):
    """The fields of a row that an outcome decides."""

    attempts: int
    reported_before: bool
    state: str
    faults: int
    refused: bool
    deferred: int
    doubt: int
    code: str | None
    detail: str | None
    provider_message_id: str | None
    delay: float


def record_of(
    row: Recorded,
    outcome: Outcome,
    before: Claimed,
    policy: RetryPolicy,
    *,
    now: datetime,
    expires_at: datetime | None,
) -> Recorded:
    """`row`, which names the delivery, filled in with what an outcome means. Providers' words are cleaned on the way.

    In one step: each `replace` costs 3 µs, on the hot path.
    """
    if isinstance(outcome, ProviderDown | RetryLater | Defect | Ambiguous):
        filled = _unfinished(outcome, before, policy, now=now, expires_at=expires_at)
    else:
        filled = _ended(outcome)
    attempts = before.attempts + int(_reached_provider(outcome))
    whole: _Filled = {"attempts": attempts, "faults": before.faults, "reported_before": before.deferrals > 0, **filled}
    return replace(row, **whole)


def _unfinished(
    outcome: Unfinished, before: Claimed, policy: RetryPolicy, *, now: datetime, expires_at: datetime | None
) -> _Filled:
    spent = Spent(before.attempts - before.faults, before.refused_since, before.faults, before.deferrals)
    counted = _counted(outcome, before)
    match policy.decide(outcome, spent, now=now, expires_at=expires_at):
        case TryAgain(seconds):
            code, detail = cleaned(outcome.code), cleaned(outcome.detail)
            return {**counted, "state": "retry", "code": code, "detail": detail, "delay": seconds}
        case GiveUp():  # an attempt may have arrived: "failed" would be a guess
            end = "unknown" if isinstance(outcome, Ambiguous) or before.doubtful else "failed"
            return {
                **counted,
                "state": end,
                "code": "exhausted",
                "detail": cleaned(f"{outcome.code}: {outcome.detail}"),
            }


def _counted(outcome: Unfinished, before: Claimed) -> _Filled:
    match outcome:
        case ProviderDown():
            return {"deferred": 1}
        case RetryLater():
            return {"refused": True}
        case Defect() | Ambiguous():
            return {"faults": before.faults + 1, "doubt": int(isinstance(outcome, Ambiguous))}


def _ended(outcome: Sent | Suppressed | Expired | Permanent | Unknown) -> _Filled:
    match outcome:
        case Sent(provider_message_id):
            known = None if provider_message_id is None else cleaned(provider_message_id)
            return {"state": "sent", "provider_message_id": known}
        case Suppressed(code):
            return {"state": "suppressed", "code": code}
        case Expired():
            return {"state": "expired", "code": "expired"}
        case Permanent(code, detail):
            return {"state": "failed", "code": cleaned(code), "detail": cleaned(detail)}
        case Unknown(code, detail, attempted):
            return {"state": "unknown", "code": cleaned(code), "detail": cleaned(detail), "doubt": int(attempted)}


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


Result = Recorded | AlreadyFinished | NotOwned
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
    told = [result for result in results if not isinstance(result, NotOwned)]
    if not told:
        return None
    best = min(told, key=lambda result: BEST_FIRST.index(result.state))
    attempts = max(result.attempts for result in told)
    if best.state == "retry" or (best.state != "sent" and len(told) < len(results)):
        return Verdict("retrying", attempts, best.code, best.detail, news=_is_news(best))
    return Verdict(_END[best.state], attempts, best.code, best.detail, best.provider_message_id)


def _is_news(result: Recorded | AlreadyFinished) -> bool:
    """While a provider is down for hours its rows come and go; the gateway is told of the first time only."""
    return not (isinstance(result, Recorded) and result.deferred and result.reported_before)
