"""One SMTP connection and its transactions, step by step, so that it is always known how far one came."""

import asyncio
import contextlib
from dataclasses import dataclass

import aiosmtplib
from aiosmtplib.protocol import SMTPProtocol

from email_service.senders.smtp_phases import Lost, Parcel, Phase, Refused

# As much as a socket's buffers take at once: what is longer is written first and its final dot after, when all of it has
# left, so that a connection that dies in between has certainly not delivered it.
ONE_WRITE_BYTES = 65_536
DRAIN_POLL_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds: for an answer before the message is sent, and for the answer to the message."""

    command: float
    final_dot: float


class SmtpConnection:
    """For one transaction at a time: `begin`, then `finish`. Both raise Refused or Lost.

    `usable` is False from the moment on that something was lost, or a step was cancelled half-way.
    """

    def __init__(self, client: aiosmtplib.SMTP, patience: Patience) -> None:
        self._client = client
        self._patience = patience
        self._waiting = False  # for an answer; one that nobody fetched would be taken for the next step's
        self._open = False  # a transaction was begun and not ended by an answer to the final dot
        self._takes_utf8 = client.supports_extension("smtputf8")

    @property
    def usable(self) -> bool:
        return self._client.is_connected and not self._waiting

    async def begin(self, parcel: Parcel) -> None:
        """MAIL. Until it returns nothing of the message, nor its recipient, was said."""
        if parcel.needs_utf8 and not self._takes_utf8:
            raise Refused(Phase.RCPT, 553, "5.6.7 The server does not take SMTPUTF8")
        if self._open:
            await self._step(Phase.MAIL, b"RSET")
            self._open = False
        options = (b"SMTPUTF8",) if parcel.needs_utf8 else ()
        await self._step(Phase.MAIL, b"MAIL", b"FROM:<%b>" % parcel.sender.encode(), *options)
        self._open = True

    async def finish(self, parcel: Parcel) -> str:
        """RCPT, DATA and the message: the server's words on having taken it."""
        await self._step(Phase.RCPT, b"RCPT", b"TO:<%b>" % parcel.recipient.encode())
        await self._step(Phase.DATA, b"DATA", expected=3)
        reply = await self._transmit(parcel.message)
        self._open = False
        return self._accepted(Phase.DOT, reply, expected=2).message

    def close(self) -> None:
        if self._waiting:
            self._drop()
        else:
            part(self._client)

    async def _step(self, phase: Phase, *command: bytes, expected: int = 2) -> None:
        self._waiting = True
        try:
            reply = await self._client.execute_command(*command, timeout=self._patience.command)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._lost(phase, error) from error
        self._accepted(phase, reply, expected)

    async def _transmit(self, message: bytes) -> aiosmtplib.SMTPResponse:
        protocol = self._client.protocol
        self._waiting = True
        phase = Phase.DATA
        try:
            if protocol is None:
                raise aiosmtplib.SMTPServerDisconnected("Connection lost")
            stuffed = message.replace(b"\r\n.", b"\r\n..")
            if len(stuffed) > ONE_WRITE_BYTES:
                await self._write_all(protocol, stuffed)
                stuffed = b""
            protocol.write(stuffed + b".\r\n")
            phase = Phase.DOT
            return await protocol.read_response(timeout=self._patience.final_dot)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._lost(phase, error) from error

    async def _write_all(self, protocol: SMTPProtocol, data: bytes) -> None:
        """Returns when the kernel has it all, or the connection is gone. Raises TimeoutError."""
        protocol.write(data)
        transport = protocol.transport
        async with asyncio.timeout(self._patience.final_dot):
            # Asked again and again because the library keeps flow control to itself; few messages are so long.
            while isinstance(transport, asyncio.WriteTransport) and transport.get_write_buffer_size():  # noqa: ASYNC110
                await asyncio.sleep(DRAIN_POLL_SECONDS)

    def _accepted(self, phase: Phase, reply: aiosmtplib.SMTPResponse, expected: int) -> aiosmtplib.SMTPResponse:
        match reply.code // 100:
            case kind if kind == expected:
                self._waiting = False
                return reply
            case 4 | 5:
                self._waiting = False
                raise Refused(phase, reply.code, reply.message)
            case _:
                raise self._lost(phase, None)

    def _drop(self) -> None:
        """Not `close` alone: that would keep the socket until a stalled server has read what is still to be written."""
        transport = self._client.transport
        if isinstance(transport, asyncio.WriteTransport):
            with contextlib.suppress(AttributeError):  # Python 3.11.2: aborting a TLS transport that was closed twice
                transport.abort()
        self._client.close()

    def _lost(self, phase: Phase, error: Exception | None) -> Lost:
        self._drop()
        match error:
            case TimeoutError():
                return Lost(phase, "smtp_timeout")
            case ConnectionError():
                return Lost(phase, "smtp_disconnected")
            case _:
                return Lost(phase, "smtp_protocol")


def part(client: aiosmtplib.SMTP) -> None:
    """Says QUIT and does not wait for the answer: nothing depends on it."""
    if client.protocol is not None and client.is_connected:
        client.protocol.write(b"QUIT\r\n")
    client.close()
