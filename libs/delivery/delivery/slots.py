"""When an attempt may be made: a place among those in flight, and a provider that is not known to be down."""

import asyncio
import contextlib

from chassis.breaker import CircuitBreaker, CircuitOpen, Permit
from delivery.outcomes import AccountRefused, Ambiguous, Outcome, ProviderDown
from delivery.turns import Turns

LONGEST_WAIT_SECONDS = (
    60.0  # then the delivery goes back to the ledger: a broker gives up on what is held for 30 minutes
)


class Slots:
    """`take` gives a permit within a limited number of attempts in flight, the highest priority first.

    It waits while the breaker is open.
    """

    def __init__(self, breaker: CircuitBreaker, *, concurrency: int) -> None:
        self._breaker = breaker
        self._turns = Turns(concurrency)

    def take(self, priority: int) -> "Slot":
        """Around an attempt: `async with slots.take(5) as permit`. Raises CircuitOpen after a long wait."""
        return Slot(self, priority)

    async def enter(self, priority: int) -> Permit:
        await self._turns.take(priority)
        try:
            return await self._permit()
        except BaseException:
            self._turns.give_back()
            raise

    def leave(self, permit: Permit) -> None:
        permit.release()
        self._turns.give_back()

    async def _permit(self) -> Permit:
        deadline = asyncio.get_running_loop().time() + LONGEST_WAIT_SECONDS
        while True:
            try:
                return self._breaker.allow()
            except CircuitOpen:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(deadline):
                        await self._breaker.wait_ready()


class Slot:
    """A place and a permit for one attempt; the permit is released if nobody settles it."""

    __slots__ = ("_permit", "_priority", "_slots")
    _permit: Permit

    def __init__(self, slots: Slots, priority: int) -> None:
        self._slots = slots
        self._priority = priority

    async def __aenter__(self) -> Permit:
        self._permit = await self._slots.enter(self._priority)
        return self._permit

    async def __aexit__(self, *_: object) -> None:
        self._slots.leave(self._permit)


def settle(permit: Permit, outcome: Outcome) -> None:
    """Tells the breaker. A provider that refuses one message, or asks for patience, works."""
    match outcome:
        case AccountRefused(others_pass=True):
            permit.success()
        case ProviderDown() | Ambiguous():
            permit.failure()
        case _:
            permit.success()
