"""Asks FCM about a registration token with a dry run: a message that FCM checks and does not deliver (`validate_only`).

Source: firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send
"""

import asyncio

import structlog

from chassis.process.breaker import CircuitBreaker, CircuitOpen
from contracts.push_tokens import INVALID_TOKEN, NO_VERDICT, SENDER_MISMATCH, VALID
from delivery.outcomes import Outcome, Permanent, Sent
from push_service.senders.fcm.sender import FcmSender

log = structlog.get_logger()

DRY_RUN_SECONDS = 2.0  # for one question: the registration waits for it
DRY_RUN_CONNECTIONS = 4  # besides the connections for notifications, which must not wait for one


class _NoVerdict(Exception):
    """FCM's answer, or its absence, says nothing about the token. `code` is that of the outcome."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class TokenValidator:
    """Questions about tokens. Owns `sender`, which is None without an account.

    `breaker` is not that of the notifications: here an answer counts as missing after two seconds.
    """

    def __init__(self, sender: FcmSender | None, breaker: CircuitBreaker, *, seconds: float = DRY_RUN_SECONDS) -> None:
        self._sender = sender
        self._breaker = breaker
        self._seconds = seconds

    async def verdict(self, token: str) -> str:
        """One of `contracts.push_tokens`' verdicts. Raises nothing."""
        if self._sender is None:
            return NO_VERDICT
        try:
            async with self._breaker.guard(), asyncio.timeout(self._seconds):
                return _verdict(await self._sender.dry_run(token))
        except (CircuitOpen, TimeoutError, _NoVerdict) as error:
            log.warning("push_token.no_verdict", reason=getattr(error, "code", type(error).__name__))
            return NO_VERDICT

    async def close(self) -> None:
        if self._sender is not None:
            await self._sender.close()


def _verdict(outcome: Outcome) -> str:
    match outcome:
        case Sent():
            return VALID
        case Permanent(code="invalid_token"):
            return INVALID_TOKEN
        case Permanent(code="sender_mismatch"):
            return SENDER_MISMATCH
        case _:
            raise _NoVerdict(getattr(outcome, "code", ""))
