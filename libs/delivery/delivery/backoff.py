"""When to try again, and when to give up: a pure decision, by the kind of fault (ADR 17)."""

import random
from dataclasses import dataclass
from datetime import datetime

from delivery.outcomes import AccountRefused, Ambiguous, Defect, ProviderDown, RetryLater

# A retry that would come after `expires_at` is made so long before it instead: it has to come through the queue first.
LAST_TRY_SECONDS = 5.0
# An account that was put right is noticed after so long at most, whatever was refused in the meantime.
MAX_ACCOUNT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What a delivery had used up before the outcome that is decided on.

    `refusals`: how often it was told "not now", the first time at `refused_since`. `faults`: attempts that were our side's
    fault or in doubt. `deferrals`: how often it met a provider that was down.
    """

    refusals: int = 0
    refused_since: datetime | None = None
    faults: int = 0
    deferrals: int = 0


@dataclass(frozen=True, slots=True)
class TryAgain:
    """In `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The budget for this kind of fault is used up."""


Unfinished = RetryLater | Defect | Ambiguous | ProviderDown


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A budget for each kind of fault; every pause doubles from its first to its longest.

    | outcome | budget |
    |---|---|
    | RetryLater | `window_seconds` since the first refusal; never before the time that the provider named |
    | Defect, Ambiguous | `max_retries` attempts after the first one |
    | AccountRefused | none; pauses grow to MAX_ACCOUNT_SECONDS |
    | ProviderDown otherwise | none; `down_seconds`, and the breaker says when |

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
            case RetryLater(after_seconds=wish):
                since = spent.refused_since or now
                left = self.window_seconds - (now - since).total_seconds()
                if left < self._shortest:
                    return GiveUp()
                pause = _floored(min(self._pause(spent.refusals), left), wish)
            case Defect() | Ambiguous():
                if spent.faults >= self.max_retries:
                    return GiveUp()
                wish, pause = None, self._pause(spent.faults)
            case AccountRefused(after_seconds=wish):
                longest = max(MAX_ACCOUNT_SECONDS, self.down_seconds)
                pause = _floored(_jittered(_doubled(2 * self.down_seconds, spent.deferrals, longest)), wish)
            case ProviderDown(after_seconds=wish):
                pause = _floored(_jittered(2 * self.down_seconds), wish)
        return TryAgain(pause if expires_at is None else self._before(expires_at, now, pause, wish))

    @property
    def _shortest(self) -> float:
        return self.base_seconds / 2

    def _pause(self, earlier: int) -> float:
        return _jittered(_doubled(self.base_seconds, earlier, self.longest_seconds))

    def _before(self, expires_at: datetime, now: datetime, pause: float, wish: float | None) -> float:
        """`pause`, or as long as leaves time for one more attempt, or until `expires_at`, when it ends as expired."""
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
    """Between half of `ceiling` and all of it: a thousand do not return at once, and none returns at once."""
    return ceiling * (0.5 + random.random() / 2)  # noqa: S311 - jitter, nothing to guess


def _floored(pause: float, wish: float | None) -> float:
    """Never before the time that the provider named; up to a fifth later, as it named the same time to many."""
    return pause if wish is None else max(pause, wish * (1 + random.random() / 5))  # noqa: S311
