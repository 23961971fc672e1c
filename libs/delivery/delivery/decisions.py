"""Pure decisions: when to retry, what an outcome means for the ledger, and what to report of a notification."""

import random
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from chassis.fields import cleaned
from contracts.messages import DeviceResult, EventStatus
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

# A retry that would come after `expires_at` is made this many seconds before it instead: the queue takes some time.
LAST_TRY_SECONDS = 5.0
# Upper bound of the pause after our account was refused: a repaired account is noticed within this time.
MAX_ACCOUNT_SECONDS = 300.0
# Upper bounds of the growing pause of a delivery that is postponed: while its domain refuses mail, and while only our own
# limit is reached. Shorter pauses mean more useless trips through the queue; longer ones use a recovered domain later. A
# delivery that is held waits at least HELD_SECONDS (`worker_holds.py`).
MAX_REFUSING_SECONDS, MAX_BUSY_SECONDS = 300.0, 60.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What a delivery had used up before the current outcome.

    `times_refused`: how many times the provider answered "not now", the first time at `refused_since`, which may also be
    when it was first postponed. `faults`: how many attempts failed on our side or are ambiguous. `times_without_attempt`: how
    often no attempt was spent: the provider was down, the domain got no more, or the notification was held.
    """

    times_refused: int = 0
    refused_since: datetime | None = None
    faults: int = 0
    times_without_attempt: int = 0


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Try again in `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The budget for this kind of outcome is used up."""


Unfinished = RetryLater | Postponed | Defect | Ambiguous | ProviderDown


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A budget for each kind of outcome. The pauses double up to an upper bound, except while a provider is down.

    | outcome | budget |
    |---|---|
    | RetryLater | `window_seconds` from the first refusal for now; never before the time that the provider named |
    | Postponed, the domain refuses | the same window, which may begin with it; pauses grow to MAX_REFUSING_SECONDS |
    | Postponed, held | none; pauses of at least HELD_SECONDS |
    | Postponed otherwise | none; pauses grow to MAX_BUSY_SECONDS |
    | Defect, Ambiguous | `max_retries` attempts after the first one |
    | ProviderDown, another provider works | none; pauses grow to once to twice `down_seconds` |
    | AccountRefused | none; pauses grow to MAX_ACCOUNT_SECONDS |
    | ProviderDown, held | none; pauses of at least HELD_SECONDS, which end when the provider is released |
    | ProviderDown otherwise | none; pauses of once to twice `down_seconds`, and the breaker must allow the call |

    No retry comes after `expires_at`.
    """

    max_retries: int = 5
    window_seconds: float = 21_600.0
    base_seconds: float = 2.0
    longest_seconds: float = 1_800.0
    down_seconds: float = 5.0

    def decide(
        self, outcome: Unfinished, spent: Spent, *, now: datetime, expires_at: datetime | None = None
    ) -> TryAgain | GiveUp:
        match outcome:
            case RetryLater(after_seconds=minimum) | Postponed(after_seconds=minimum, refusing=True):
                since = spent.refused_since or now
                left = self.window_seconds - (now - since).total_seconds()
                if left < self._shortest:
                    return GiveUp()
                pause = _floored(min(self._refused_pause(outcome, spent), left), minimum)
            case Defect() | Ambiguous():
                if spent.faults >= self.max_retries:
                    return GiveUp()
                minimum, pause = None, self._pause(spent.faults)
            case ProviderDown(elsewhere=True):
                minimum, pause = (
                    None,
                    _jittered(_doubled(self.base_seconds, spent.times_without_attempt, 2 * self.down_seconds)),
                )
            case AccountRefused(after_seconds=minimum) | Postponed(after_seconds=minimum):
                pause = _floored(self._growing_pause(outcome, spent), minimum)
            case ProviderDown(after_seconds=minimum):
                pause = _floored(_jittered(2 * self.down_seconds), minimum)
        return TryAgain(pause if expires_at is None else self._before(expires_at, now, pause, minimum))

    def is_used_up(self, faults: int) -> bool:
        """Whether no attempt is left after so many faults. Only takeovers from dead workers lead to it."""
        return faults > self.max_retries

    @property
    def _shortest(self) -> float:
        return self.base_seconds / 2

    def _pause(self, earlier: int) -> float:
        return _jittered(_doubled(self.base_seconds, earlier, self.longest_seconds))

    def _refused_pause(self, outcome: RetryLater | Postponed, spent: Spent) -> float:
        return (
            self._growing_pause(outcome, spent) if isinstance(outcome, Postponed) else self._pause(spent.times_refused)
        )

    def _growing_pause(self, outcome: AccountRefused | Postponed, spent: Spent) -> float:
        times, maximum = spent.times_without_attempt, MAX_ACCOUNT_SECONDS
        if isinstance(outcome, Postponed):
            times = 0 if outcome.urgent else times
            maximum = MAX_REFUSING_SECONDS if outcome.refusing else MAX_BUSY_SECONDS
        return _jittered(_doubled(2 * self.down_seconds, times, max(maximum, self.down_seconds)))

    def _before(self, expires_at: datetime, now: datetime, pause: float, minimum: float | None) -> float:
        """The seconds to wait: `pause` if it fits; otherwise until shortly before `expires_at`, for one last attempt;
        otherwise until `expires_at`, where the delivery expires.
        """
        left = max(0.0, (expires_at - now).total_seconds())
        last = left - LAST_TRY_SECONDS
        if pause <= last:
            return pause
        if last >= max(self._shortest, minimum or 0.0):
            return last
        return min(pause, left)


def _doubled(first: float, times: int, maximum: float) -> float:
    return min(maximum, first * 2.0 ** min(times, 64))


def _jittered(ceiling: float) -> float:
    """Between half of `ceiling` and all of it, so that a thousand deliveries do not return at the same moment."""
    return ceiling * (0.5 + random.random() / 2)  # noqa: S311 - jitter, nothing to guess


def _floored(pause: float, minimum: float | None) -> float:
    """Not before the time that the provider named. Up to a fifth later, because many deliveries are given the same time."""
    return pause if minimum is None else max(pause, minimum * (1 + random.random() / 5))  # noqa: S311


class _Fields(TypedDict, total=False):
    """The fields of a record that an outcome determines."""

    attempts: int
    provider: str | None
    reported_before: bool
    state: str
    faults: int
    refused_for_now: bool
    without_attempt: int
    ambiguous: int
    code: str | None
    detail: str | None
    provider_message_id: str | None
    delay: float


def record_of(
    key: DeliveryKey,
    outcome: Outcome,
    before: Claimed,
    policy: RetryPolicy,
    *,
    now: datetime,
    expires_at: datetime | None,
) -> DeliveryRecord:
    """The record of an attempt at the delivery `key`. Text from providers is cleaned."""
    if isinstance(outcome, ProviderDown | RetryLater | Postponed | Defect | Ambiguous):
        fields = _unfinished(outcome, before, policy, now=now, expires_at=expires_at)
    else:
        fields = _ended(outcome)
    attempts = before.attempts + int(_called_provider(outcome))
    common: _Fields = {
        "attempts": attempts,
        "faults": before.faults,
        "provider": before.provider if _called_provider(outcome) or isinstance(outcome, Sent) else None,
        "reported_before": before.times_without_attempt > 0,
        **fields,
    }
    return DeliveryRecord(key.notification_id, key.recipient_key, replay=key.replay, **common)


def _unfinished(
    outcome: Unfinished, before: Claimed, policy: RetryPolicy, *, now: datetime, expires_at: datetime | None
) -> _Fields:
    spent = Spent(before.attempts - before.faults, before.refused_since, before.faults, before.times_without_attempt)
    counters = _counters(outcome, before)
    match policy.decide(outcome, spent, now=now, expires_at=expires_at):
        case TryAgain(seconds):
            code, detail = cleaned(outcome.code), cleaned(outcome.detail)
            return {**counters, "state": "retry", "code": code, "detail": detail, "delay": seconds}
        case GiveUp():  # an earlier attempt may have arrived; then "failed" would be a guess
            end = "unknown" if isinstance(outcome, Ambiguous) or before.ambiguous else "failed"
            return {
                **counters,
                "state": end,
                "code": "exhausted",
                "detail": cleaned(f"{outcome.code}: {outcome.detail}"),
            }


def _counters(outcome: Unfinished, before: Claimed) -> _Fields:
    match outcome:
        case ProviderDown():
            return {"without_attempt": 1}
        case Postponed(refusing=refusing):
            return {"without_attempt": 1, "refused_for_now": refusing}
        case RetryLater():
            return {"refused_for_now": True}
        case Defect() | Ambiguous():
            return {"faults": before.faults + 1, "ambiguous": int(isinstance(outcome, Ambiguous))}


def _ended(outcome: Sent | Suppressed | Expired | Permanent | Unknown) -> _Fields:
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
            return {"state": "unknown", "code": cleaned(code), "detail": cleaned(detail), "ambiguous": int(attempted)}


def _called_provider(outcome: Outcome) -> bool:
    """Whether the provider answered, or may have accepted the message. Only then the outcome spends an attempt."""
    match outcome:
        case Suppressed() | Expired() | ProviderDown() | Postponed():
            return False
        case Unknown(attempted=attempted):
            return attempted
        case Sent(reported=reported):
            return not reported
        case _:
            return True


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What a worker reports of a notification. `is_new`: False if the gateway has this status already.

    `devices`: the devices that have ended, if there are several and the notification has ended. `hold_id`: the hold because
    of which it is `held`.
    """

    status: EventStatus
    attempts: int
    code: str | None = None
    detail: str | None = None
    provider_message_id: str | None = None
    provider: str | None = None
    is_new: bool = True
    devices: tuple[DeviceResult, ...] | None = None
    hold_id: UUID | None = None


Result = DeliveryRecord | AlreadyFinished | NotOwned
# The notification is `sent` if one device got it. It has not ended while one device may still get it.
_END: dict[str, EventStatus] = {
    "sent": "sent",
    "failed": "failed",
    "suppressed": "suppressed",
    "expired": "expired",
    "unknown": "unknown",
}
BEST_FIRST = ("sent", "retry", "unknown", "failed", "suppressed", "expired")


def report_of(results: Collection[Result], devices: tuple[DeviceResult, ...] | None = None) -> DeliveryReport | None:
    """The report for these deliveries. None: other workers own all of them, and will report."""
    known = [result for result in results if not isinstance(result, NotOwned)]
    if not known:
        return None
    best = min(known, key=lambda result: BEST_FIRST.index(result.state))
    attempts = max(result.attempts for result in known)
    if best.state == "retry" or (best.state != "sent" and len(known) < len(results)):
        return DeliveryReport(
            "retrying", attempts, best.code, best.detail, provider=best.provider, is_new=_is_new(best)
        )
    return DeliveryReport(
        _END[best.state],
        attempts,
        best.code,
        best.detail,
        best.provider_message_id,
        best.provider,
        devices=devices,
    )


def _is_new(result: DeliveryRecord | AlreadyFinished) -> bool:
    """While a provider is down for hours, a delivery waits many times without an attempt. Only the first time is reported."""
    return not (isinstance(result, DeliveryRecord) and result.without_attempt and result.reported_before)
