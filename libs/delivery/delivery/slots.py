"""When an attempt may be made: a place among those in flight, and a provider that is not known to be down."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from chassis.breaker import CircuitBreaker, CircuitOpen, Permit
from delivery.outcomes import Ambiguous, Outcome, ProviderDown
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

    @contextlib.asynccontextmanager
    async def take(self, priority: int) -> AsyncIterator[Permit]:
        """Raises CircuitOpen after a long wait. The permit is released if nobody settles it."""
        async with self._turns.place(priority):
            permit = await self._permit()
            try:
                yield permit
            finally:
                permit.release()

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


def settle(permit: Permit, outcome: Outcome) -> None:
    """Tells the breaker. A provider that refuses one message, or asks for patience, works."""
    match outcome:
        case ProviderDown() | Ambiguous():
            permit.failure()
        case _:
            permit.success()
