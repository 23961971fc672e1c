"""One SMTP connection and its transactions, in steps: after an error the last completed step is known."""

import asyncio
from dataclasses import dataclass

import structlog
from aiosmtplib import SMTPResponse

from email_service.senders.smtp.dialogue import CLOSING, Dialogue, Lost, Phase, Refused, SmtpEnvelope

log = structlog.get_logger()

# As much as a socket's buffers accept at once. A longer message is written first, and its final dot only after the kernel has
# all of it. So a connection that dies in between has certainly not delivered the message.
ONE_WRITE_BYTES = 65_536
DRAIN_POLL_SECONDS = 0.005

_GO_AHEAD = 354


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds: for an answer before the message is sent, and for the answer to the message."""

    command: float
    final_dot: float


class SmtpConnection:
    """Runs one transaction at a time: `begin`, then `finish`. Both raise Refused or Lost.

    `usable` is False once something was lost, or a step was cancelled half-way.
    """

    def __init__(self, dialogue: Dialogue, timeouts: Timeouts) -> None:
        self.dialogue = dialogue
        self._timeouts = timeouts
        self._open = False  # a transaction has begun, and the final dot is not answered

    @property
    def usable(self) -> bool:
        return self.dialogue.connected and self.dialogue.in_sync

    async def begin(self, envelope: SmtpEnvelope) -> None:
        """Sends MAIL; nothing of the message. With PIPELINING, also sends RCPT and, without copies, DATA."""
        if envelope.needs_utf8 and not self.dialogue.supports_utf8:
            raise Refused(Phase.RCPT, 553, "5.6.7 The server does not take SMTPUTF8")
        if self._open:
            self._say(Phase.MAIL, b"RSET")
            await self._answer(Phase.MAIL)
            self._open = False
        mail = b"MAIL FROM:<%b>%b" % (envelope.sender.encode(), b" SMTPUTF8" if envelope.needs_utf8 else b"")
        self._say(Phase.MAIL, mail, *(_rest(envelope) if self.dialogue.pipelining else ()))
        await self._answer(Phase.MAIL)
        self._open = True

    async def finish(self, envelope: SmtpEnvelope) -> str:
        """Completes RCPT and DATA (sent ahead with PIPELINING), then sends the message. Returns the server's text after it
        accepted the message.
        """
        if envelope.copies:
            return await self._finish_with_copies(envelope)
        for phase, command, expected in zip((Phase.RCPT, Phase.DATA), _rest(envelope), (2, 3), strict=True):
            if not self.dialogue.pipelining:
                self._say(phase, command)
            await self._answer(phase, expected)
        return await self._transmit(envelope.message)

    async def _finish_with_copies(self, envelope: SmtpEnvelope) -> str:
        """DATA is not sent ahead: if the recipient were refused, the copies would get an empty message.

        A refused copy is left out. If the recipient is refused, no address gets the message: the next transaction begins
        with RSET.
        """
        recipient, *copies = _recipients(envelope)
        if not self.dialogue.pipelining:
            self._say(Phase.RCPT, recipient)
        await self._answer(Phase.RCPT)
        refused = [code for copy in copies if (code := await self._refusal_of(copy)) is not None]
        if refused:
            log.warning("smtp.copies_refused", copies=len(refused), codes=sorted(set(refused)))
        self._say(Phase.DATA, b"DATA")
        await self._answer(Phase.DATA, 3)
        return await self._transmit(envelope.message)

    async def _refusal_of(self, copy: bytes) -> int | None:
        """The code with which the server refuses a copy; None: it accepts the copy. Raises Lost."""
        if not self.dialogue.pipelining:
            self._say(Phase.RCPT, copy)
        reply = await self._reply(Phase.RCPT)
        match reply.code // 100:
            case 2:
                return None
            case 4 | 5 if reply.code != CLOSING:
                return reply.code
            case _:
                raise self._lost(Phase.RCPT, None)

    def close(self) -> None:
        if self.dialogue.in_sync:
            self.dialogue.quit()
        else:
            self.dialogue.abort()

    def _say(self, phase: Phase, *commands: bytes) -> None:
        try:
            self.dialogue.say(*commands)
        except OSError as error:
            raise self._lost(phase, error) from error

    async def _reply(self, phase: Phase) -> SMTPResponse:
        seconds = self._timeouts.final_dot if phase is Phase.DOT else self._timeouts.command
        try:
            return await self.dialogue.reply(seconds)
        except OSError as error:
            raise self._lost(phase, error) from error

    async def _answer(self, phase: Phase, expected: int = 2) -> str:
        reply = await self._reply(phase)
        if phase is Phase.DOT:
            self._open = False
        match reply.code // 100:
            case kind if kind == expected:
                return reply.message
            case 4 | 5:
                if reply.code != CLOSING:
                    await self._read_remaining()
                elif not self.dialogue.in_sync:
                    self.dialogue.abort()  # it will not answer the commands that were sent ahead
                raise Refused(phase, reply.code, reply.message)
            case _:
                raise self._lost(phase, None)

    async def _read_remaining(self) -> None:
        """After a refusal, reads and ignores the answers to commands that were sent ahead.

        A server that still asks for the message gets an empty one, which has no recipient (RFC 2920, 3.1).
        """
        code = 0
        try:
            while not self.dialogue.in_sync:
                code = (await self.dialogue.reply(self._timeouts.command)).code
            if code == _GO_AHEAD:
                self.dialogue.say(b".")
                await self.dialogue.reply(self._timeouts.command)
        except OSError:
            self.dialogue.abort()

    async def _transmit(self, message: bytes) -> str:
        stuffed = message.replace(b"\r\n.", b"\r\n..")
        try:
            if len(stuffed) > ONE_WRITE_BYTES:
                await self._write_all(stuffed)
                stuffed = b""
            self.dialogue.write(stuffed + b".\r\n", replies=1)
        except OSError as error:
            raise self._lost(Phase.DATA, error) from error
        return await self._answer(Phase.DOT)

    async def _write_all(self, data: bytes) -> None:
        """Returns when the kernel has all the data, or when the connection is closed. Raises TimeoutError."""
        self.dialogue.write(data, replies=0)
        async with asyncio.timeout(self._timeouts.final_dot):
            while self.dialogue.transport.get_write_buffer_size():  # noqa: ASYNC110 - few messages are so long
                await asyncio.sleep(DRAIN_POLL_SECONDS)

    def _lost(self, phase: Phase, error: Exception | None) -> Lost:
        self.dialogue.abort()
        match error:
            case TimeoutError():
                return Lost(phase, "smtp_timeout")
            case OSError():
                return Lost(phase, "smtp_disconnected")
            case _:
                return Lost(phase, "smtp_protocol")


def _rest(envelope: SmtpEnvelope) -> tuple[bytes, ...]:
    """The commands that may be sent ahead, after MAIL."""
    recipients = _recipients(envelope)
    return recipients if envelope.copies else (*recipients, b"DATA")


def _recipients(envelope: SmtpEnvelope) -> tuple[bytes, ...]:
    return tuple(b"RCPT TO:<%b>" % address.encode() for address in (envelope.recipient, *envelope.copies))
