"""The providers of a channel: which of them may be called now, and which one gets the next message."""

import asyncio
import contextlib
import random
from collections.abc import Collection, Coroutine, Sequence
from typing import Any

from chassis.process.breaker import BreakerState, CircuitBreaker, NotCallableNow, Permit
from chassis.redis.pace import Pace
from delivery.outcomes import AccountRefused, Ambiguous, Outcome, ProviderDown, RetryLater
from delivery.worker_holds import HELD_SECONDS

# A provider's share of the messages falls when it is down, refuses our account, does not answer or says "not now". It rises
# with every other answer, a refusal for good too.
AFTER_FAILURE, AFTER_SUCCESS, LOWEST = 0.8, 0.05, 0.05
PROVIDER_HELD = "provider_held"  # the code of a delivery that waits for a held provider


class ProviderHeld(NotCallableNow):
    """The provider is held: somebody has stopped the calls to it for now."""


def down_because(error: NotCallableNow) -> ProviderDown:
    """The outcome when no call was permitted."""
    code = PROVIDER_HELD if isinstance(error, ProviderHeld) else "provider_resting"
    return ProviderDown(code, after_seconds=error.retry_after)


class Provider:
    """One provider with its own circuit breaker and, if given, its own limits.

    Providers of the lowest `order` are used first; among them each gets a share by its `weight`. `pace` limits the messages a
    second of all processes, `connections` the simultaneous calls of this process.
    """

    def __init__(
        self,
        breaker: CircuitBreaker,
        *,
        order: int = 1,
        weight: float = 1.0,
        pace: Pace | None = None,
        connections: int | None = None,
    ) -> None:
        self.name = breaker.name
        self.breaker = breaker
        self.order = order
        self._weight = weight
        self._health = 1.0
        self._pace = pace
        self._connections = connections
        self._calls = 0
        self.was_called = False
        self._ended = asyncio.Event()
        self._released = asyncio.Event()
        self._released.set()

    @property
    def share(self) -> float:
        """The weight, lowered by recent failures."""
        return self._weight * self._health

    @property
    def held(self) -> bool:
        return not self._released.is_set()

    def hold(self) -> None:
        """Permits no more calls until `release`."""
        self._released.clear()

    def release(self) -> None:
        self._released.set()

    @property
    def is_blocked(self) -> bool:
        """Whether a hold or the breaker refuses calls now."""
        return self.held or self.breaker.retry_after > 0

    @property
    def is_full(self) -> bool:
        """Whether as many calls as allowed are in progress."""
        return self._connections is not None and self._calls >= self._connections

    @property
    def retry_after(self) -> float:
        """Seconds until a call may be permitted, as far as that is known; 0: one is permitted now."""
        if self.held:
            return HELD_SECONDS
        pace = 0.0 if self._pace is None else self._pace.wait
        return max(self.breaker.retry_after, pace, 1.0 if self.is_full else 0.0)

    @property
    def needs_reservation(self) -> bool:
        """Whether a place in the pace has to be reserved before a call."""
        return self._pace is not None and not self._pace.is_reserved

    async def reserve(self) -> None:
        """Reserves a place in the pace, which may be later."""
        if self._pace is not None:
            await self._pace.reserve()

    def refusal(self) -> NotCallableNow:
        return ProviderHeld(HELD_SECONDS) if self.held else NotCallableNow(self.retry_after)

    def take(self) -> "ProviderPermit":
        """Permits one call. Raises NotCallableNow."""
        if self.retry_after or self.needs_reservation:
            raise self.refusal()
        permit = self.breaker.allow()
        if self._pace is not None:
            self._pace.take()
        self._calls += 1
        self.was_called = True
        return ProviderPermit(self, permit)

    def end_call(self) -> None:
        """A permitted call has ended."""
        self._calls -= 1
        if self._connections is not None:
            self._ended.set()
            self._ended = asyncio.Event()

    def lower_share(self) -> None:
        """The provider is down, refuses our account, did not answer, or said "not now"."""
        self._health = max(LOWEST, self._health * AFTER_FAILURE)

    def raise_share(self) -> None:
        """The provider gave any other answer."""
        self._health = min(1.0, self._health + AFTER_SUCCESS)

    async def wait_ready(self) -> None:
        """Returns when a call would be permitted. Another waiter may be faster, so `take` can still raise."""
        while wait := self.retry_after:
            if self.held:
                await self._released.wait()
            elif self.is_blocked:
                await self.breaker.wait_ready()
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if self.is_full else wait):
                        await self._ended.wait()


class ProviderPermit:
    """One permitted call of `provider`. Report its outcome, then give it back."""

    __slots__ = ("_given_back", "_permit", "provider")

    def __init__(self, provider: Provider, permit: Permit) -> None:
        self.provider = provider
        self._permit = permit
        self._given_back = False

    def report(self, outcome: Outcome) -> None:
        """For the breaker, refusing one message, or asking to wait, is a success. Asking to wait lowers the share."""
        match outcome:
            case AccountRefused(affects_all=False):
                self._permit.success()
                self.provider.lower_share()
            case ProviderDown() | Ambiguous():
                self._permit.failure()
                self.provider.lower_share()
            case RetryLater():
                self._permit.success()
                self.provider.lower_share()
            case _:
                self._permit.success()
                self.provider.raise_share()

    def give_back(self) -> None:
        """The call has ended or was never made. A second call does nothing."""
        if not self._given_back:
            self._given_back = True
            self._permit.give_back()
            self.provider.end_call()


class Providers:
    """The providers of a channel by name.

    A message may go to any provider of a set of names: e-mail to each of them, a push message to its device's provider.
    A provider that was never called counts neither as working nor as down.
    """

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self.names = frozenset(self._providers)
        self._changed = asyncio.Event()

    def hold(self, names: Collection[str]) -> bool:
        """Holds exactly these providers; names of others are ignored. Returns whether one was released."""
        before = {one.name for one in self._providers.values() if one.held}
        after = self.names.intersection(names)
        for one in self._of(after - before):
            one.hold()
        for one in self._of(before - after):
            one.release()
        if before != after:
            self._changed.set()
            self._changed = asyncio.Event()
        return bool(before - after)

    async def take(self, names: Collection[str]) -> ProviderPermit:
        """A permit of the best provider of `names` that can be called now. Raises NotCallableNow.

        It waits for nothing but the reservation of a place in a provider's pace.
        """
        while (best := self._best(names)).needs_reservation:
            await best.reserve()
        return best.take()

    def _best(self, names: Collection[str]) -> Provider:
        """Raises NotCallableNow if there are several and none can be called now."""
        if len(names) == 1:
            (name,) = names
            return self._providers[name]
        ready = [one for one in self._of(names) if not one.retry_after]
        if not ready:
            soonest = min(self._of(names), key=lambda one: one.retry_after, default=None)
            raise NotCallableNow(1.0) if soonest is None else soonest.refusal()
        first = min(one.order for one in ready)
        best = [one for one in ready if one.order == first]
        return random.choices(best, [one.share for one in best])[0]  # noqa: S311 - a share of the load

    def all_blocked(self, names: Collection[str]) -> bool:
        """Whether holds or breakers of all these providers refuse calls now."""
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
    def in_use(self) -> frozenset[str]:
        """The providers that are not held and have been called since the start. If there are none: all that are not held. If
        all are held: all.
        """
        free = [one for one in self._providers.values() if not one.held]
        return (
            frozenset(one.name for one in free if one.was_called) or frozenset(one.name for one in free) or self.names
        )

    async def wait_until_none_works(self) -> None:
        """Returns when every provider in use is held, or its breaker is open."""
        while working := [
            one for one in self._of(self.in_use) if not one.held and one.breaker.state is not BreakerState.OPEN
        ]:
            await self._before_change(working[0].breaker.wait_open())

    async def wait_working(self) -> None:
        """Returns when one of the providers in use may be called."""
        while not await self._before_change(self.wait_ready(self.in_use)):
            pass

    async def _before_change(self, wait: Coroutine[Any, Any, None]) -> bool:
        """Waits until the end of `wait`, or until other providers are held. Returns whether `wait` has ended."""
        ending, change = asyncio.ensure_future(wait), asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((ending, change), return_when=asyncio.FIRST_COMPLETED)
            return ending.done()
        finally:
            ending.cancel()
            change.cancel()

    def _of(self, names: Collection[str]) -> list[Provider]:
        return [self._providers[name] for name in names]
