"""The providers of a channel: which of them may be called now, and which one gets the next message."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Collection, Sequence

from chassis.process.breaker import BreakerState, CircuitBreaker, CircuitOpen, Permit
from delivery.outcomes import AccountRefused, Ambiguous, Outcome, ProviderDown, RetryLater

# A provider's share of the messages falls with each message that it did not accept, and recovers with each accepted one.
AFTER_FAILURE, AFTER_SUCCESS, LOWEST = 0.8, 0.05, 0.05


class Provider:
    """One provider with its own circuit breaker and, if given, its own limits.

    Providers of the lowest `order` are used first; among them each gets a share by its `weight`. `per_second` limits the
    messages a second of this process, `connections` its simultaneous calls. `clock` is in seconds.
    """

    def __init__(
        self,
        breaker: CircuitBreaker,
        *,
        order: int = 1,
        weight: float = 1.0,
        per_second: float | None = None,
        connections: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = breaker.name
        self.breaker = breaker
        self.order = order
        self._weight = weight
        self._health = 1.0
        self._interval = 0.0 if per_second is None else 1 / per_second
        self._next_at = 0.0
        self._connections = connections
        self._calls = 0
        self.called = False
        self._ended = asyncio.Event()
        self._clock = clock

    @property
    def share(self) -> float:
        """The weight, lowered by recent failures."""
        return self._weight * self._health

    @property
    def is_blocked(self) -> bool:
        """Whether the breaker refuses calls now."""
        return self.breaker.retry_after > 0

    @property
    def is_full(self) -> bool:
        """Whether as many calls as allowed are in progress."""
        return self._connections is not None and self._calls >= self._connections

    @property
    def retry_after(self) -> float:
        """Seconds until a call may be permitted, as far as that is known; 0: one is permitted now."""
        pace = self._next_at - self._clock() if self._interval else 0.0
        return max(self.breaker.retry_after, pace, self._interval or 1.0 if self.is_full else 0.0)

    def take(self) -> "ProviderPermit":
        """Permits one call. Raises CircuitOpen."""
        if wait := self.retry_after:
            raise CircuitOpen(wait)
        permit = self.breaker.allow()
        if self._interval:
            self._next_at = max(self._clock(), self._next_at) + self._interval
        self._calls += 1
        self.called = True
        return ProviderPermit(self, permit)

    def ended(self) -> None:
        """A permitted call has ended."""
        self._calls -= 1
        if self._connections is not None:
            self._ended.set()
            self._ended = asyncio.Event()

    def failed(self) -> None:
        """The provider did not accept a message."""
        self._health = max(LOWEST, self._health * AFTER_FAILURE)

    def worked(self) -> None:
        """The provider answered as expected."""
        self._health = min(1.0, self._health + AFTER_SUCCESS)

    async def wait_ready(self) -> None:
        """Returns when a call would be permitted. Another waiter may be faster, so `take` can still raise."""
        while wait := self.retry_after:
            if self.is_blocked:
                await self.breaker.wait_ready()
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if self.is_full else wait):
                        await self._ended.wait()


class ProviderPermit:
    """One permitted call of `provider`. Report its outcome, then release it."""

    __slots__ = ("_permit", "_released", "provider")

    def __init__(self, provider: Provider, permit: Permit) -> None:
        self.provider = provider
        self._permit = permit
        self._released = False

    def report(self, outcome: Outcome) -> None:
        """For the breaker, a provider that refuses one message, or asks to wait, works. Asking to wait lowers its share."""
        match outcome:
            case AccountRefused(others_pass=True):
                self._permit.success()
                self.provider.failed()
            case ProviderDown() | Ambiguous():
                self._permit.failure()
                self.provider.failed()
            case RetryLater():
                self._permit.success()
                self.provider.failed()
            case _:
                self._permit.success()
                self.provider.worked()

    def release(self) -> None:
        """The call has ended or was never made. A second release does nothing."""
        if not self._released:
            self._released = True
            self._permit.release()
            self.provider.ended()


class Providers:
    """The providers of a channel by name.

    A message may go to any provider of a set of names: e-mail to each of them, a push message to its device's provider.
    A provider that was never called counts neither as working nor as down.
    """

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self.names = frozenset(self._providers)

    def take(self, names: Collection[str]) -> ProviderPermit:
        """A permit of the best provider of `names` that can be called now. Raises CircuitOpen."""
        if len(names) == 1:
            (name,) = names
            return self._providers[name].take()
        ready = [one for one in self._of(names) if not one.retry_after]
        if not ready:
            raise CircuitOpen(min((one.retry_after for one in self._of(names)), default=1.0))
        first = min(one.order for one in ready)
        best = [one for one in ready if one.order == first]
        return random.choices(best, [one.share for one in best])[0].take()  # noqa: S311 - a share of the load

    def all_blocked(self, names: Collection[str]) -> bool:
        """Whether the breakers of all these providers refuse calls now."""
        return all(one.is_blocked for one in self._of(names))

    async def wait_ready(self, names: Collection[str]) -> None:
        """Returns when one of them may be called. Another waiter may be faster."""
        waits = [asyncio.ensure_future(one.wait_ready()) for one in self._of(names)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    @property
    def called(self) -> frozenset[str]:
        """The providers that have been called since the start; all of them while none has."""
        return frozenset(name for name, one in self._providers.items() if one.called) or self.names

    async def wait_open(self) -> None:
        """Returns when the breakers of all called providers are open."""
        while working := [one for one in self._of(self.called) if one.breaker.state is not BreakerState.OPEN]:
            await working[0].breaker.wait_open()

    def _of(self, names: Collection[str]) -> list[Provider]:
        return [self._providers[name] for name in names]
