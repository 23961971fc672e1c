"""When a worker may prepare a message, and when it may send it: urgent messages first, and a limited number at once.

A message that waits here is not claimed. The broker still owns it, and redelivers it if this worker dies.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Collection
from heapq import heappop, heappush
from itertools import count
from typing import Self

from chassis.process.breaker import NotCallableNow
from contracts.topology import URGENT
from delivery.providers import ProviderPermit, Providers

URGENT_SECONDS = 0.5  # other messages are limited for so long after the last urgent one
# After this wait the delivery waits in the ledger instead: the broker closes a channel that holds a message for 30 minutes.
MAX_WAIT_SECONDS = 60.0


class PrioritySemaphore:
    """A semaphore that gives its slots to the highest waiting priority, and among equals to the first that arrived.

    Without it a worker would undo the broker's order: unimportant messages that were prefetched early would be sent before
    important ones. `slots` may be changed: a smaller number takes effect at the next `acquire`, a larger one at the next
    `release`.
    """

    def __init__(self, slots: float) -> None:
        self.slots = slots
        self._used = 0
        self._arrivals = count()
        self.waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def acquire(self, priority: int) -> None:
        """Waits for a slot, which the caller has to release."""
        if self._used < self.slots:
            self._used += 1
            return
        waiter = asyncio.get_running_loop().create_future()
        heappush(self.waiting, (-priority, next(self._arrivals), waiter))
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # the slot was given at the same moment
                self.release()
            raise

    def acquire_at_once(self) -> None:
        """Takes a slot without waiting, even if all are in use. The caller has to release it too."""
        self._used += 1

    def release(self) -> None:
        self._used -= 1
        while self.waiting and self._used < self.slots:
            _, _, waiter = heappop(self.waiting)
            if not waiter.done():
                self._used += 1
                waiter.set_result(None)


class Admission:
    """`async with admission.for_priority(priority) as admitted:` begins the work on a message; see `AdmittedMessage`.

    It has two limits. Preparing (rendering and claiming): while urgent messages arrive, at most `beside_urgent` other
    messages are prepared at once. Urgent messages then compete with less work for the CPU, so they are sent sooner. An
    urgent message never waits for this limit. Sending: at most `concurrency` messages at once, the highest priority first,
    while a provider may be called.
    """

    def __init__(
        self,
        providers: Providers,
        *,
        concurrency: int,
        beside_urgent: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.providers = providers
        self.sending = PrioritySemaphore(concurrency)
        self._preparing = PrioritySemaphore(math.inf)
        self._beside_urgent = beside_urgent
        self._clock = clock
        self._urgent_until = -math.inf

    def for_priority(self, priority: int) -> "AdmittedMessage":
        return AdmittedMessage(self, priority)

    async def enter(self, priority: int) -> None:
        if priority >= URGENT:
            self._urgent_until = self._clock() + URGENT_SECONDS
            self._preparing.acquire_at_once()
            return
        self._adapt()
        await self._preparing.acquire(priority)

    def leave(self) -> None:
        self._adapt()
        self._preparing.release()

    def _adapt(self) -> None:
        self._preparing.slots = self._beside_urgent if self._clock() < self._urgent_until else math.inf


class AdmittedMessage:
    """One message, from its preparation to the end of its last call. The end of the block gives back what it has."""

    __slots__ = ("_admission", "_preparing", "_priority", "_sending")

    def __init__(self, admission: Admission, priority: int) -> None:
        self._admission = admission
        self._priority = priority
        self._preparing = self._sending = False

    async def __aenter__(self) -> Self:
        await self._admission.enter(self._priority)
        self._preparing = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.end_preparation()
        self.return_slot()

    async def slot(self, choices: Collection[frozenset[str]]) -> dict[frozenset[str], ProviderPermit]:
        """Waits for a slot among the sends in flight, and for a provider that may be called.

        Each of `choices` names the providers that can deliver to one of the message's targets. Returns a permit for each
        choice that has a provider now, which is at least one; the caller gives them back. Raises NotCallableNow after
        MAX_WAIT_SECONDS; at once if only this message's providers are blocked, because its slot is for other messages then.
        """
        providers = self._admission.providers
        deadline = asyncio.get_running_loop().time() + MAX_WAIT_SECONDS
        while True:
            await self._admission.sending.acquire(self._priority)
            self._sending = True
            try:
                return await _permits_of(providers, choices)
            except NotCallableNow:
                self.return_slot()
                names = frozenset[str]().union(*choices)
                others_work = providers.all_blocked(names) and not providers.all_blocked(providers.in_use)
                if others_work or asyncio.get_running_loop().time() > deadline:
                    raise
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await providers.wait_ready(names)

    def end_preparation(self) -> None:
        """The preparation has ended; another message may begin its preparation."""
        if self._preparing:
            self._preparing = False
            self._admission.leave()

    def return_slot(self) -> None:
        """The last call has ended; another message may take the slot."""
        if self._sending:
            self._sending = False
            self._admission.sending.release()


async def _permits_of(
    providers: Providers, choices: Collection[frozenset[str]]
) -> dict[frozenset[str], ProviderPermit]:
    """Raises NotCallableNow if no choice has a provider now."""
    if len(choices) == 1:  # the usual case
        (names,) = choices
        return {names: await providers.take(names)}
    permits: dict[frozenset[str], ProviderPermit] = {}
    refusal = NotCallableNow(1.0)
    for names in choices:
        try:
            permits[names] = await providers.take(names)
        except NotCallableNow as error:
            refusal = error
        except BaseException:
            for permit in permits.values():
                permit.give_back()
            raise
    if not permits:
        raise refusal
    return permits
