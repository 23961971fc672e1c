"""Sends one message to its recipient, and its copies, over SMTP.

It raises nothing: every error of the server or the network is an outcome.
"""

import asyncio
import re
from dataclasses import dataclass, replace

from delivery.outcomes import Ambiguous, Outcome, Permanent, ProviderDown, RetryLater, Sent
from email_service.provider_headers import NO_SERVICE, MailService
from email_service.senders.smtp.connection import SmtpConnection
from email_service.senders.smtp.dialogue import CLOSING, Lost, NoConnection, Phase, Refused, SmtpEnvelope
from email_service.senders.smtp.domains import comes_from_domain
from email_service.senders.smtp.pool import SmtpPool
from email_service.senders.smtp.replies import outcome_of, wording

WORKS_SECONDS = 5.0
# How Postfix, Exim and Amazon SES name an accepted message.
_QUEUE_ID = re.compile(r"(?:queued as |id=|^Ok )([\w.-]{6,100})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reserved:
    """An open connection. `reused`: it was used before, so it may turn out to be dead."""

    connection: SmtpConnection
    reused: bool


class SmtpSender:
    """`reserve` returns an idle connection of the pool, or a new one. `send` uses it for one attempt; `give_back` returns it
    unused. `service`: whose headers the server reads.
    """

    def __init__(self, pool: SmtpPool, service: MailService = NO_SERVICE) -> None:
        self.pool = pool
        self.service = service
        self._worked_at = float("-inf")

    async def reserve(self) -> Reserved:
        """Raises NoConnection."""
        idle = self.pool.take_idle()
        return Reserved(idle, reused=True) if idle is not None else Reserved(await self.pool.connect(), reused=False)

    def give_back(self, reserved: Reserved) -> None:
        self.pool.give_back(reserved.connection)

    async def send(self, envelope: SmtpEnvelope, reserved: Reserved) -> Outcome:
        try:
            connection = await self._begun(envelope, reserved)
            words = await self._finished(connection, envelope)
        except NoConnection as failure:
            return failure.outcome
        except Refused as refusal:
            return _outcome_of_refusal(refusal, envelope)
        except Lost as loss:
            return self._outcome_of_loss(loss)
        self._worked_at = asyncio.get_running_loop().time()
        return Sent(_queue_id(words))

    async def close(self) -> None:
        self.pool.close()

    async def _begun(self, envelope: SmtpEnvelope, reserved: Reserved) -> SmtpConnection:
        """A connection on which MAIL was accepted. A reused connection that turns out to be dead is replaced once."""
        try:
            return await self._begin(reserved.connection, envelope)
        except Lost:
            if not reserved.reused:
                raise
        except Refused as refusal:
            if not reserved.reused or refusal.code != CLOSING:
                raise
        return await self._begin(await self.pool.connect(), envelope)

    async def _begin(self, connection: SmtpConnection, envelope: SmtpEnvelope) -> SmtpConnection:
        try:
            await connection.begin(envelope)
        except BaseException:
            self.pool.give_back(connection)
            raise
        return connection

    async def _finished(self, connection: SmtpConnection, envelope: SmtpEnvelope) -> str:
        try:
            return await connection.finish(envelope)
        finally:
            self.pool.give_back(connection)

    def _outcome_of_loss(self, loss: Lost) -> Outcome:
        """Before the final dot nothing was accepted. If the server accepted another mail a moment ago, it works, and a loss
        after MAIL spends an attempt. Otherwise the server is down.
        """
        detail = f"lost at {loss.phase.name}"
        if loss.phase is Phase.DOT:
            return Ambiguous(loss.reason, detail)
        works = asyncio.get_running_loop().time() - self._worked_at < WORKS_SECONDS
        if works and loss.phase is not Phase.MAIL:
            return RetryLater(loss.reason, detail)
        return ProviderDown(loss.reason, detail)


def _outcome_of_refusal(refusal: Refused, envelope: SmtpEnvelope) -> Outcome:
    """A refusal of a mail with copies may concern one of the copies, so the recipient's address does not count as dead."""
    outcome = outcome_of(refusal)
    if isinstance(outcome, RetryLater) and comes_from_domain(refusal, envelope.recipient):
        return replace(outcome, of_domain=True)
    if envelope.copies and refusal.phase is not Phase.RCPT and isinstance(outcome, Permanent):
        return replace(outcome, dead_recipient=False)
    return outcome


def _queue_id(words: str) -> str | None:
    found = _QUEUE_ID.search(re.sub(r"^2\.\d+\.\d+ ", "", wording(words)))
    return found[1] if found else None
