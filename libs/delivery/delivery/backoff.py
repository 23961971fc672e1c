"""When to try again: a pure decision."""

import random
from dataclasses import dataclass

from delivery.outcomes import Ambiguous, Outcome, ProviderDown, RetryLater


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`max_retries` attempts after the first one; waits double from `base_seconds` to `longest_seconds`."""

    max_retries: int = 5
    base_seconds: float = 2.0
    longest_seconds: float = 600.0
    down_seconds: float = 5.0

    def exhausted(self, attempts: int) -> bool:
        """Whether `attempts`, the last one included, used the budget up."""
        return attempts > self.max_retries

    def delay(self, attempts: int, roll: float | None = None) -> float:
        """Seconds to wait after `attempts` attempts: exponential with full jitter. `roll` in 0..1 stands for the die."""
        ceiling = min(self.longest_seconds, self.base_seconds * 2.0 ** max(0, attempts - 1))
        return ceiling * (random.random() if roll is None else roll)  # noqa: S311 - jitter, nothing to guess

    def delay_after(self, outcome: RetryLater | Ambiguous | ProviderDown, attempts: int) -> float:
        """A provider's own wish is a floor; the jitter comes on top, so that a thousand do not return at once."""
        match outcome:
            case ProviderDown(after_seconds=wish):
                return max(wish or 0.0, self.down_seconds) * (1 + random.random())  # noqa: S311
            case RetryLater(after_seconds=float() | int() as wish):
                return wish + self.delay(1)
            case _:
                return self.delay(attempts)


def spends_attempt(outcome: Outcome) -> bool:
    """Only a provider that answered (or may have) has cost an attempt."""
    return not isinstance(outcome, ProviderDown)
