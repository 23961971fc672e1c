"""The mail server as a dependency in `/health`."""

import asyncio

from chassis.breaker import BreakerState, CircuitBreaker
from email_service.senders.smtp_connector import SmtpConnector
from email_service.senders.smtp_phases import NoConnection

FRESH_SECONDS = 5.0  # a provider must not notice how often somebody looks at our health


class Resting(Exception):
    """The breaker is open: it has just failed too often."""


class SmtpProbe:
    """`check` raises when mail cannot be sent now: the breaker is open, or the server does not greet us."""

    def __init__(self, connector: SmtpConnector, breaker: CircuitBreaker) -> None:
        self._connector = connector
        self._breaker = breaker
        self._asked_at = float("-inf")
        self._trouble: NoConnection | None = None

    async def check(self) -> None:
        if self._breaker.state is BreakerState.OPEN:
            raise Resting
        now = asyncio.get_running_loop().time()
        if now - self._asked_at >= FRESH_SECONDS:
            self._trouble = await self._knock()
            self._asked_at = now
        if self._trouble is not None:
            raise self._trouble

    async def _knock(self) -> NoConnection | None:
        try:
            await self._connector.try_connection()
        except NoConnection as trouble:
            return trouble
        return None
