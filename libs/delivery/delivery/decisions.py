"""Pure decisions: when to try again, what an outcome means for the ledger, and the status of a whole notification."""

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
    HeldBack,
    Outcome,
    Permanent,
    ProviderDown,
    RetryLater,
    Sent,
    Suppressed,
    Unknown,
)

# A retry that would come after `expires_at` is made this long before `expires_at` instead: it has to pass the queue first.
LAST_TRY_SECONDS = 5.0
# The longest pause after our account was refused: a repaired account is noticed within this time.
MAX_ACCOUNT_SECONDS = 300.0
# The longest pauses of a delivery that is held back: while its domain refuses mail, and while it only gets much. Shorter
# ones are useless trips through the queue; longer ones use a recovered domain later.
MAX_REFUSING_SECONDS, MAX_BUSY_SECONDS = 300.0, 60.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What a delivery had used up before the outcome that is being decided.

    `refusals`: how often the provider answered "not now", the first time at `refused_since`, which may also be when it was
    first held back. `faults`: attempts that failed on our side or are in doubt. `deferrals`: how often the provider was down,
    or the delivery was held back.
    """

    refusals: int = 0
    refused_since: datetime | None = None
    faults: int = 0
    deferrals: int = 0


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Try again in `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The budget for this kind of fault is used up."""


Unfinished = RetryLater | HeldBack | Defect | Ambiguous | ProviderDown


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A budget for each kind of fault. Every pause is twice the one before, up to its upper bound.

    | outcome | budget |
    |---|---|
    | RetryLater | `window_seconds` from the first refusal; never before the time that the provider named |
    | HeldBack, the domain refuses | the same window, which may begin with it; pauses grow to MAX_REFUSING_SECONDS |
    | HeldBack otherwise | none; pauses grow to MAX_BUSY_SECONDS |
    | Defect, Ambiguous | `max_retries` attempts after the first one |
    | ProviderDown, another provider works | none; pauses grow to about `down_seconds` |
    | AccountRefused | none; pauses grow to MAX_ACCOUNT_SECONDS |
    | ProviderDown otherwise | none; pauses of about `down_seconds`, and the breaker must allow the call |

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
            case RetryLater(after_seconds=wish) | HeldBack(after_seconds=wish, refusing=True):
                since = spent.refused_since or now
                left = self.window_seconds - (now - since).total_seconds()
                if left < self._shortest:
                    return GiveUp()
                pause = _floored(min(self._refused(outcome, spent), left), wish)
            case Defect() | Ambiguous():
                if spent.faults >= self.max_retries:
                    return GiveUp()
                wish, pause = None, self._pause(spent.faults)
            case ProviderDown(elsewhere=True):
                wish, pause = None, _jittered(_doubled(self.base_seconds, spent.deferrals, 2 * self.down_seconds))
            case AccountRefused(after_seconds=wish) | HeldBack(after_seconds=wish):
                pause = _floored(self._growing(outcome, spent), wish)
            case ProviderDown(after_seconds=wish):
                pause = _floored(_jittered(2 * self.down_seconds), wish)
        return TryAgain(pause if expires_at is None else self._before(expires_at, now, pause, wish))

    def is_used_up(self, faults: int) -> bool:
        """Whether no attempt is left after so many faults. True only after workers died: `decide` gives up one earlier."""
        return faults > self.max_retries

    @property
    def _shortest(self) -> float:
        return self.base_seconds / 2

    def _pause(self, earlier: int) -> float:
        return _jittered(_doubled(self.base_seconds, earlier, self.longest_seconds))

    def _refused(self, outcome: RetryLater | HeldBack, spent: Spent) -> float:
        return self._growing(outcome, spent) if isinstance(outcome, HeldBack) else self._pause(spent.refusals)

    def _growing(self, outcome: AccountRefused | HeldBack, spent: Spent) -> float:
        times, longest = spent.deferrals, MAX_ACCOUNT_SECONDS
        if isinstance(outcome, HeldBack):
            times = 0 if outcome.urgent else times
            longest = MAX_REFUSING_SECONDS if outcome.refusing else MAX_BUSY_SECONDS
        return _jittered(_doubled(2 * self.down_seconds, times, max(longest, self.down_seconds)))

    def _before(self, expires_at: datetime, now: datetime, pause: float, wish: float | None) -> float:
        """The seconds to wait: `pause` if it fits; otherwise until shortly before `expires_at`, for one last attempt;
        otherwise until `expires_at`, where the delivery expires.
        """
        left = max(0.0, (expires_at - now).total_seconds())
        last = left - LAST_TRY_SECONDS
        if pause <= last:
            return pause
        if last >= max(self._shortest, wish or 0.0):
            return last
        return min(pause, left)


def _doubled(first: float, times: int, longest: float) -> float:
    return min(longest, first * 2.0 ** min(times, 64))


def _jittered(ceiling: float) -> float:
    """Between half of `ceiling` and all of it: a thousand deliveries do not return together, and none without a pause."""
    return ceiling * (0.5 + random.random() / 2)  # noqa: S311 - jitter, nothing to guess


def _floored(pause: float, wish: float | None) -> float:
    """Never before the time that the provider named; up to a fifth later, because it names the same time to many."""
    return pause if wish is None else max(pause, wish * (1 + random.random() / 5))  # noqa: S311


class _Fields(TypedDict, total=False):
    """The fields of a record that follow from an outcome."""

    attempts: int
    provider: str | None
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
    key: DeliveryKey,
    outcome: Outcome,
    before: Claimed,
    policy: RetryPolicy,
    *,
    now: datetime,
    expires_at: datetime | None,
) -> DeliveryRecord:
    """The record of an attempt at the delivery `key`. Text from providers is cleaned."""
    if isinstance(outcome, ProviderDown | RetryLater | HeldBack | Defect | Ambiguous):
        fields = _unfinished(outcome, before, policy, now=now, expires_at=expires_at)
    else:
        fields = _ended(outcome)
    attempts = before.attempts + int(_reached_provider(outcome))
    whole: _Fields = {
        "attempts": attempts,
        "faults": before.faults,
        "provider": before.provider if _reached_provider(outcome) else None,
        "reported_before": before.deferrals > 0,
        **fields,
    }
    return DeliveryRecord(key.notification_id, key.recipient, replay=key.replay, **whole)


def _unfinished(
    outcome: Unfinished, before: Claimed, policy: RetryPolicy, *, now: datetime, expires_at: datetime | None
) -> _Fields:
    spent = Spent(before.attempts - before.faults, before.refused_since, before.faults, before.deferrals)
    counted = _counted(outcome, before)
    match policy.decide(outcome, spent, now=now, expires_at=expires_at):
        case TryAgain(seconds):
            code, detail = cleaned(outcome.code), cleaned(outcome.detail)
            return {**counted, "state": "retry", "code": code, "detail": detail, "delay": seconds}
        case GiveUp():  # an earlier attempt may have arrived, then "failed" would be a guess
            end = "unknown" if isinstance(outcome, Ambiguous) or before.doubtful else "failed"
            return {
                **counted,
                "state": end,
                "code": "exhausted",
                "detail": cleaned(f"{outcome.code}: {outcome.detail}"),
            }


def _counted(outcome: Unfinished, before: Claimed) -> _Fields:
    match outcome:
        case ProviderDown():
            return {"deferred": 1}
        case HeldBack(refusing=refusing):
            return {"deferred": 1, "refused": refusing}
        case RetryLater():
            return {"refused": True}
        case Defect() | Ambiguous():
            return {"faults": before.faults + 1, "doubt": int(isinstance(outcome, Ambiguous))}


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
            return {"state": "unknown", "code": cleaned(code), "detail": cleaned(detail), "doubt": int(attempted)}


def _reached_provider(outcome: Outcome) -> bool:
    """Whether the outcome costs an attempt: only if the provider answered, or may have."""
    match outcome:
        case Suppressed() | Expired() | ProviderDown() | HeldBack():
            return False
        case Unknown(attempted=attempted):
            return attempted
        case _:
            return True


@dataclass(frozen=True, slots=True)
class Verdict:
    """The status of a whole notification. `news` is False when the gateway has it already.

    `devices`: the devices that have ended, if it has several and has ended itself. `hold_id`: why it is `held`.
    """

    status: EventStatus
    attempts: int
    code: str | None = None
    detail: str | None = None
    provider_message_id: str | None = None
    provider: str | None = None
    news: bool = True
    devices: tuple[DeviceResult, ...] | None = None
    hold_id: UUID | None = None


Result = DeliveryRecord | AlreadyFinished | NotOwned
# One device that got the notification is enough for `sent`. While one may still get it, the notification has not ended.
_END: dict[str, EventStatus] = {
    "sent": "sent",
    "failed": "failed",
    "suppressed": "suppressed",
    "expired": "expired",
    "unknown": "unknown",
}
BEST_FIRST = ("sent", "retry", "unknown", "failed", "suppressed", "expired")


def verdict_of(results: Collection[Result], devices: tuple[DeviceResult, ...] | None = None) -> Verdict | None:
    """None: other workers own all deliveries, and will report."""
    told = [result for result in results if not isinstance(result, NotOwned)]
    if not told:
        return None
    best = min(told, key=lambda result: BEST_FIRST.index(result.state))
    attempts = max(result.attempts for result in told)
    if best.state == "retry" or (best.state != "sent" and len(told) < len(results)):
        return Verdict("retrying", attempts, best.code, best.detail, provider=best.provider, news=_is_news(best))
    return Verdict(
        _END[best.state],
        attempts,
        best.code,
        best.detail,
        best.provider_message_id,
        best.provider,
        devices=devices,
    )


def _is_news(result: DeliveryRecord | AlreadyFinished) -> bool:
    """While a provider is down for hours, a delivery is deferred many times; only the first is reported to the gateway."""
    return not (isinstance(result, DeliveryRecord) and result.deferred and result.reported_before)
