"""The arithmetic of a rate limit: the generic cell rate algorithm, in whole microseconds.

One number a caller: the time at which all it has used would be paid back. Whole microseconds, because the Redis script
counts in doubles: exact up to 2^53, while fractions of a second at today's date are not.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class RateDecision(NamedTuple):
    """`reset_after`: seconds until the whole limit is free again; `retry_after`: until this would be allowed, or 0."""

    allowed: bool
    limit: int
    remaining: int
    reset_after: float
    retry_after: float

    def headers(self) -> dict[str, str]:
        """The RateLimit headers, and Retry-After when refused: whole numbers, seconds rounded up."""
        headers = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(math.ceil(self.reset_after)),
        }
        if not self.allowed:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after)))
        return headers


@dataclass(frozen=True)
class Quota:
    """`limit` units in `period_seconds`, all of them at once if need be. `limit` is at most a million a second."""

    limit: int
    period_seconds: int

    def __post_init__(self) -> None:
        if self.limit < 1 or self.period_seconds < 1 or self.interval < 1:
            raise ValueError("a limit is at least one a period and at most a million a second")

    @cached_property
    def interval(self) -> int:
        """Microseconds until one unit is paid back."""
        return self.period_seconds * 1_000_000 // self.limit

    @cached_property
    def burst(self) -> int:
        return self.interval * self.limit

    def spend(self, paid_at: int, now: int, cost: int) -> tuple[int, RateDecision]:
        """A caller's new `paid_at` and the decision. Times in microseconds; the script in `ratelimit` does the same."""
        paid_at = min(max(paid_at, now), now + self.burst)
        then = paid_at + cost * self.interval
        wait = then - self.burst - now
        if wait > 0:
            return paid_at, self.decision(used=paid_at - now, wait=wait)
        return then, self.decision(used=then - now, wait=0)

    def decision(self, *, used: int, wait: int) -> RateDecision:
        return RateDecision(
            allowed=wait == 0,
            limit=self.limit,
            remaining=(self.burst - used) // self.interval,
            reset_after=used / 1e6,
            retry_after=wait / 1e6,
        )
