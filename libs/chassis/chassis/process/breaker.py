"""The circuit breaker: the failure rate over a sliding window opens it, and a limited number of probes closes it."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import IntEnum
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Gauge

from chassis.errors import Unavailable


class BreakerState(IntEnum):
    """The numbers are the values of the metric `circuit_breaker_state`."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Opens for `open_seconds` when `failure_rate` of at least `minimum_calls` calls in `window_seconds` failed.

    Closes after `probes` successful probes. At most `probes` probes run at the same time.
    """

    window_seconds: float = 30.0
    minimum_calls: int = 10
    failure_rate: float = 0.5
    open_seconds: float = 10.0
    probes: int = 2


class NotCallableNow(Unavailable):
    """The call was not made. `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(retry_after=max(1, math.ceil(retry_after)))
        self.retry_after = retry_after


class CircuitOpen(NotCallableNow):
    """The breaker permits no call."""


_gauges: WeakKeyDictionary[CollectorRegistry, Gauge] = WeakKeyDictionary()


def breaker_metrics(registry: CollectorRegistry) -> Gauge:
    """The gauge `circuit_breaker_state{name}` of `registry`. The first call creates it: a registry takes a name only once.

    `monitored_breaker` connects a breaker to it.
    """
    if registry not in _gauges:
        _gauges[registry] = Gauge(
            "circuit_breaker_state",
            "0 closed, 1 half open, 2 open",
            ["name"],
            registry=registry,
            multiprocess_mode="livemax",  # the worst state of all processes
        )
    return _gauges[registry]


BUCKETS = 10


@dataclass(slots=True)
class _Bucket:
    calls: int = 0
    failures: int = 0


@dataclass(slots=True)
class SlidingWindow:
    """Counts the calls and failures of the last `seconds`, exact to a tenth of that.

    The caller passes `now`, monotonic, in seconds. Each call takes at most BUCKETS steps, at any rate.
    """

    seconds: float
    calls: int = 0
    failures: int = 0
    _buckets: list[_Bucket] = field(default_factory=lambda: [_Bucket() for _ in range(BUCKETS)])
    _position: int = 0

    def record(self, now: float, *, failures: int) -> None:
        """Counts one call, with `failures` 0 or 1."""
        self.expire(now)
        bucket = self._buckets[self._position % BUCKETS]
        bucket.calls += 1
        bucket.failures += failures
        self.calls += 1
        self.failures += failures

    def expire(self, now: float) -> None:
        """Drops buckets that are older than the window."""
        position = int(now / self.seconds * BUCKETS)
        for step in range(max(self._position + 1, position - BUCKETS + 1), position + 1):
            self._empty(self._buckets[step % BUCKETS])
        self._position = max(position, self._position)

    def clear(self) -> None:
        for bucket in self._buckets:
            self._empty(bucket)

    def _empty(self, bucket: _Bucket) -> None:
        self.calls -= bucket.calls
        self.failures -= bucket.failures
        bucket.calls = bucket.failures = 0


PROBES_BUSY_SECONDS = 1.0  # the `retry_after` while all probes run: their end is not known


class Permit:
    """One allowed call. Report its outcome: an unreported probe keeps its place. A second report does nothing."""

    __slots__ = ("_breaker", "_era", "_finished")

    def __init__(self, breaker: "CircuitBreaker", era: int) -> None:
        self._breaker = breaker
        self._era = era
        self._finished = False

    def success(self) -> None:
        if self._finish():
            self._breaker._succeeded(self._era)  # noqa: SLF001 - Permit and CircuitBreaker belong together

    def failure(self) -> None:
        if self._finish():
            self._breaker._failed(self._era)  # noqa: SLF001

    def give_back(self) -> None:
        """Reports neither success nor failure: the call was cancelled or never made."""
        if self._finish():
            self._breaker._given_back(self._era)  # noqa: SLF001

    def _finish(self) -> bool:
        first, self._finished = not self._finished, True
        return first


class CircuitBreaker:
    """Stops calls to a dependency that mostly fails, and then probes whether it works again.

    The failure rate of a sliding window opens it, not consecutive failures: a dependency that fails every second call
    never fails five times in a row. While half open it allows a few probes and refuses all other calls.

    There is one per dependency, for one event loop. Every method is cheap; only `wait_ready` and `wait_open` wait.

    A result counts only in the era in which its call began. An era is the time between two changes of state. So a slow call
    from before the breaker opened neither closes the breaker nor opens it again.
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
        self._half_open_if_due()
        return self._state

    @property
    def retry_after(self) -> float:
        """Seconds until a call may be permitted. 0 if a call is permitted now."""
        match self.state:
            case BreakerState.OPEN:
                return self._opens_until - self._clock()
            case BreakerState.HALF_OPEN if not self._has_free_probe():
                return min(PROBES_BUSY_SECONDS, self._policy.open_seconds)
            case _:
                return 0.0

    def allow(self) -> Permit:
        """Permits a call, or raises CircuitOpen."""
        if wait := self.retry_after:
            raise CircuitOpen(wait)
        if self._state is BreakerState.HALF_OPEN:
            self._probing += 1
        return Permit(self, self._era)

    @contextlib.asynccontextmanager
    async def guard(self, *, never_made: type[Exception] | tuple[()] = ()) -> AsyncIterator[None]:
        """Counts an exception of the block as a failure. `never_made` exceptions mean that the dependency was not called.

        `never_made` exceptions and cancellations count neither as success nor as failure. Put the timeout inside the block;
        outside, it would be a cancellation. Raises CircuitOpen.
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
            permit.give_back()

    async def wait_ready(self) -> None:
        """Returns when a call would be permitted. Another waiter may be faster, so `allow` can still raise."""
        while wait := self.retry_after:
            known = wait if self._state is BreakerState.OPEN else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(known):
                    await self._moved.wait()

    async def wait_open(self) -> None:
        """Returns when the breaker is open, immediately if it is open already."""
        while self.state is not BreakerState.OPEN:
            await self._moved.wait()

    def _half_open_if_due(self) -> None:
        if self._state is BreakerState.OPEN and self._clock() >= self._opens_until:
            self._become(BreakerState.HALF_OPEN)

    def _has_free_probe(self) -> bool:
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

    def _given_back(self, era: int) -> None:
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


def monitored_breaker(
    name: str, registry: CollectorRegistry, policy: BreakerPolicy = BreakerPolicy()
) -> CircuitBreaker:
    """A breaker that reports its state as the metric `circuit_breaker_state` from the start."""
    gauge = breaker_metrics(registry).labels(name)
    gauge.set(BreakerState.CLOSED)
    return CircuitBreaker(name, policy=policy, on_change=gauge.set)
