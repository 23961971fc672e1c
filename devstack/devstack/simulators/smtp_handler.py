"""The SMTP transactions of the simulated mail provider. aiosmtpd calls the `handle_` methods."""

import asyncio
from collections import Counter
from typing import NoReturn

from aiosmtpd.smtp import SMTP, Envelope, Session

from devstack.simulators import messages
from devstack.simulators.magic import (
    Defer,
    Drop,
    EmailMagic,
    Faults,
    RefuseData,
    RefuseEveryOther,
    RefuseFirst,
    RefuseRecipient,
    ReportEvents,
    Stall,
    Throttle,
    email_magic,
)
from devstack.simulators.store import Inbox
from devstack.simulators.webhook_forms import Taken
from devstack.simulators.webhooks import Webhooks

CLOSING = "421 4.3.2 Service not available, closing transmission channel"


class SmtpHandler:
    def __init__(self, inbox: Inbox, faults: Faults, webhooks: Webhooks) -> None:
        self._inbox = inbox
        self._webhooks = webhooks
        self._faults = faults
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._named: Counter[str] = Counter()
        self._busy = False

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await self._leave_if_down(server)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await self._leave_if_down(server)
        match email_magic(address):
            case RefuseRecipient(reply):
                return self._refused(reply)
            case RefuseFirst(reply, times) if self._is_among_the_first(address, times):
                return self._refused(reply)
            case RefuseEveryOther(reply):
                self._busy = not self._busy
                if self._busy:
                    return self._refused(reply)
            case Throttle(times) if self._is_among_the_first(address, times):
                await hang_up(server, self._refused("421 4.7.0 Too many messages, try later"))
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        await self._leave_if_down(server)
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        magic = next((found for to in envelope.rcpt_tos if (found := email_magic(to))), None)
        attempt = self._count_attempt(magic, envelope.rcpt_tos[0], content)
        match magic:
            case RefuseData(reply):
                return self._refused(reply)
            case Defer(times) if attempt <= times:
                return self._refused("451 4.3.0 Try again later")
            case ReportEvents(defers=times) if attempt <= times:
                return self._refused("451 4.3.0 Try again later")
        self._take(envelope, content)
        match magic:
            case Drop() if attempt == 1:
                await hang_up(server)
            case Stall(seconds):
                await asyncio.sleep(seconds)
            case ReportEvents():
                return await self._report(magic, Taken(envelope.rcpt_tos[0], content, envelope.mail_from or ""))
        await self._faults.stalled("smtp")
        return "250 2.0.0 OK: taken"

    async def _report(self, rule: ReportEvents, mail: Taken) -> str:
        if rule.early:
            await self._webhooks.send(rule.events, mail)
        await asyncio.sleep(rule.seconds)
        await self._faults.stalled("smtp")
        if not rule.early:
            self._webhooks.send_later(rule.events, mail)
        return f"250 2.0.0 OK: queued as {mail.id}"

    def _is_among_the_first(self, address: str, times: int | None) -> bool:
        self._named[address] += 1
        return times is None or self._named[address] <= times

    def _count_attempt(self, magic: EmailMagic | None, recipient: str, content: bytes) -> int:
        if magic is None:  # unused, but it would be stored for every message
            return 1
        key = (recipient, messages.message_id(content))
        self._attempts[key] += 1
        return self._attempts[key]

    def _take(self, envelope: Envelope, content: bytes) -> None:
        for recipient in envelope.rcpt_tos:
            self._inbox.take_email(envelope_from=envelope.mail_from or "", recipient=recipient, raw=content)

    def _refused(self, reply: str) -> str:
        self._inbox.emails.refused += 1
        return reply

    async def _leave_if_down(self, server: SMTP) -> None:
        if self._faults.smtp == "down":
            await hang_up(server, self._refused(CLOSING))


async def hang_up(server: SMTP, reply: str | None = None) -> NoReturn:
    """Closes after that reply, or without one, like a crashing server. Ends the session's task as aiosmtpd does."""
    transport = server.transport
    if reply:
        await server.push(reply)
    if isinstance(transport, asyncio.WriteTransport):
        transport.close() if reply else transport.abort()
    raise asyncio.CancelledError
