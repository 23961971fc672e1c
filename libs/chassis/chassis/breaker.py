"""Circuit breaker: stops calling a dependency that mostly fails, and asks it carefully whether it is back.

Opens on the failure rate of a sliding window, not on consecutive failures: a dependency that fails every second call
never fails five times in a row. Half open, it lets a few probes through and refuses everybody else.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from chassis.breaker_policy import BreakerPolicy, BreakerState, CircuitOpen, breaker_metrics
from chassis.sliding_window import SlidingWindow

__all__ = ["BreakerPolicy", "BreakerState", "CircuitBreaker", "CircuitOpen", "Permit", "breaker_metrics"]

PROBES_BUSY_SECONDS = 1.0  # what `retry_after` says while every probe is under way: nobody knows when they end


class Permit:
    """One allowed call. Settle it: an unsettled probe keeps its place. A second settlement does nothing."""

    __slots__ = ("_breaker", "_era", "_settled")

    def __init__(self, breaker: "CircuitBreaker", era: int) -> None:
        self._breaker = breaker
        self._era = era
        self._settled = False

    def success(self) -> None:
        if self._settle():
            self._breaker._succeeded(self._era)  # noqa: SLF001 - a permit is the breaker's own other half

    def failure(self) -> None:
        if self._settle():
            self._breaker._failed(self._era)  # noqa: SLF001

    def release(self) -> None:
        """Neither: the call was cancelled or never made."""
        if self._settle():
            self._breaker._released(self._era)  # noqa: SLF001

    def _settle(self) -> bool:
        first, self._settled = not self._settled, True
        return first


class CircuitBreaker:
    """One per dependency. For one event loop; every method is cheap and only `wait_ready` and `wait_open` wait.

    A result counts only in the era (the time between two changes of state) its call began in: a slow call from
    before the breaker opened neither closes it nor opens it again.
    """

    def __init__(
        self,
        name: str,
        *,
        policy: BreakerPolicy = BreakerPolicy(),
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[BreakerState], None] | None = None,
    ) -> None:
        self.name = name
        self._policy = policy
        self._clock = clock
        self._on_change = on_change
        self._state = BreakerState.CLOSED
        self._window = SlidingWindow(policy.window_seconds)
        self._era = 0
        self._opens_until = 0.0
        self._probing = 0
        self._probed = 0
        self._moved = asyncio.Event()

    @property
    def state(self) -> BreakerState:
        self._look_at_the_clock()
        return self._state

    @property
    def retry_after(self) -> float:
        """Seconds until a call may be permitted; 0 when one would be now."""
        match self.state:
            case BreakerState.OPEN:
                return self._opens_until - self._clock()
            case BreakerState.HALF_OPEN if not self._has_a_place():
                return min(PROBES_BUSY_SECONDS, self._policy.open_seconds)
            case _:
                return 0.0

    def allow(self) -> Permit:
        """Raises CircuitOpen when the call must not be made."""
        if wait := self.retry_after:
            raise CircuitOpen(wait)
        if self._state is BreakerState.HALF_OPEN:
            self._probing += 1
        return Permit(self, self._era)

    @contextlib.asynccontextmanager
    async def guard(self, *, never_made: type[Exception] | tuple[()] = ()) -> AsyncIterator[None]:
        """Counts an exception of the block as a failure, except `never_made`: the dependency was not even called.

        That, and a cancellation, is neither. Put the timeout inside the block, or it is a cancellation. Raises CircuitOpen.
        """
        permit = self.allow()
        try:
            yield
        except never_made:
            raise
        except Exception:
            permit.failure()
            raise
        else:
            permit.success()
        finally:
            permit.release()

    async def wait_ready(self) -> None:
        """Returns when a call would be permitted. Another waiter may be faster: `allow` can still raise."""
        while wait := self.retry_after:
            known = wait if self._state is BreakerState.OPEN else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(known):
                    await self._moved.wait()

    async def wait_open(self) -> None:
        """Returns once the dependency mostly fails, at once if it does already."""
        while self.state is not BreakerState.OPEN:
            await self._moved.wait()

    def _look_at_the_clock(self) -> None:
        if self._state is BreakerState.OPEN and self._clock() >= self._opens_until:
            self._become(BreakerState.HALF_OPEN)

    def _has_a_place(self) -> bool:
        return self._probing + self._probed < self._policy.probes

    def _succeeded(self, era: int) -> None:
        if era != self._era:
            return
        self._window.record(self._clock(), failures=0)
        if self._state is BreakerState.HALF_OPEN:
            self._probing -= 1
            self._probed += 1
            if self._probed >= self._policy.probes:
                self._become(BreakerState.CLOSED)

    def _failed(self, era: int) -> None:
        if era != self._era:
            return
        self._window.record(self._clock(), failures=1)
        if self._state is BreakerState.HALF_OPEN or self._fails_too_often():
            self._opens_until = self._clock() + self._policy.open_seconds
            self._become(BreakerState.OPEN)

    def _released(self, era: int) -> None:
        if era == self._era and self._state is BreakerState.HALF_OPEN:
            self._probing -= 1
            self._wake()

    def _fails_too_often(self) -> bool:
        calls, policy = self._window.calls, self._policy
        return calls >= policy.minimum_calls and self._window.failures >= calls * policy.failure_rate

    def _become(self, state: BreakerState) -> None:
        self._state = state
        self._era += 1
        self._probing = self._probed = 0
        self._window.clear()
        self._wake()
        if self._on_change:
            self._on_change(state)

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
