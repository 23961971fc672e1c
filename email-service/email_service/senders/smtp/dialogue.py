"""The dialogue of one message over SMTP, and the phase in which it was refused or lost."""

import asyncio
import contextlib
import re
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from typing import cast

import aiosmtplib

from delivery.channel import NotReady

CLOSING = 421  # the reply of a server that closes the connection


class Phase(Enum):
    """A phase of the dialogue. Only in DOT, while waiting for the answer to the message, is the outcome ambiguous."""

    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    DOT = auto()


@dataclass(frozen=True, slots=True)
class SmtpEnvelope:
    """One message for one recipient: the envelope's addresses and the bytes between DATA and the final dot.

    `copies`: addresses that get the message too, if the server accepts it for the recipient.
    """

    sender: str
    recipient: str
    needs_utf8: bool
    message: bytes
    copies: tuple[str, ...] = ()


class NoConnection(NotReady):
    """No connection is available: nothing was sent, and the message is not the cause."""


class Refused(Exception):
    """A 4yz or 5yz reply: the message was certainly not accepted."""

    def __init__(self, phase: Phase, code: int, text: str) -> None:
        super().__init__(phase.name, code)
        self.phase = phase
        self.code = code
        self.text = text


class Lost(Exception):
    """The connection broke, an answer did not arrive in time, or the received bytes were not an answer."""

    def __init__(self, phase: Phase, reason: str) -> None:
        super().__init__(phase.name, reason)
        self.phase = phase
        self.reason = reason


MAX_REPLY = 32_768
NO_REPLY = 0  # the code for received bytes that are not a reply
_REPLY = re.compile(rb"(?:\d{3}-[^\n]*\n)*(\d{3})(?:[ \r][^\n]*)?\n")
_UNSAFE = re.compile(rb"[\x00-\x1f\x7f]")


class Dialogue(asyncio.Protocol):
    """Writes commands and reads replies over a connection that aiosmtplib has opened, secured and logged in to.

    aiosmtplib reads one reply for each command that it writes. Here several commands may be sent ahead of their replies, if
    the server offers PIPELINING (RFC 2920): two writes and two round trips for each message instead of four. Each write to a
    socket costs more CPU than everything else that is done for a command. Replies arrive in the order of the commands; an
    unexpected reply closes the connection. `client` must not be used any more.
    """

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self.transport = cast("asyncio.Transport", client.transport)
        self.pipelining = client.supports_extension("pipelining")
        self.supports_utf8 = client.supports_extension("smtputf8")
        self._received = bytearray()
        self._replies: deque[aiosmtplib.SMTPResponse] = deque()
        self._owed = 0  # replies that the server still has to send
        self._waiter: asyncio.Future[None] | None = None
        self.transport.set_protocol(self)

    @property
    def connected(self) -> bool:
        return not self.transport.is_closing()

    @property
    def in_sync(self) -> bool:
        """Every command has its reply, and every reply was read."""
        return not self._owed and not self._replies

    def say(self, *commands: bytes) -> None:
        """Sends commands; each one expects a reply. Raises ConnectionError, and ValueError for control characters."""
        if any(_UNSAFE.search(command) for command in commands):
            raise ValueError("a command contains a control character")
        self.write(b"".join(command + b"\r\n" for command in commands), replies=len(commands))

    def write(self, data: bytes, *, replies: int) -> None:
        """Raises ConnectionError."""
        if not self.connected:
            raise ConnectionResetError("the connection is closed")
        self._owed += replies
        self.transport.write(data)

    async def reply(self, seconds: float) -> aiosmtplib.SMTPResponse:
        """The oldest unread reply. Raises TimeoutError and ConnectionError."""
        if not self._replies:
            if not self.connected:
                raise ConnectionResetError("the connection is closed")
            self._waiter = asyncio.get_running_loop().create_future()
            async with asyncio.timeout(seconds):
                await self._waiter
        return self._replies.popleft()

    def abort(self) -> None:
        """Closes the socket at once. `close` would keep it until a stalled server has read all that is still unwritten."""
        with contextlib.suppress(AttributeError):  # Python 3.11.2: aborting a TLS transport that was closed twice
            self.transport.abort()

    def quit(self) -> None:
        """Sends QUIT and closes. The answer does not matter."""
        if self.connected:
            self.transport.write(b"QUIT\r\n")
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._owed and self._received:
            reply = self._next()
            if reply is None:
                break
            self._owed -= 1
            self._replies.append(reply)
        self._wake()
        if self._received and not self._owed:
            # A notice that the server closes, or an error: it must not be taken for the next reply.
            self._received.clear()
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error or ConnectionResetError("the server hung up"))

    def _next(self) -> aiosmtplib.SMTPResponse | None:
        """The first reply in the received bytes, of one line or several; None while it is incomplete."""
        complete = _REPLY.match(self._received)
        if complete is not None:
            code, lines = int(complete[1]), complete[0].split(b"\n")[:-1]
            del self._received[: complete.end()]
            text = b"\n".join(line[4:].strip(b" \t\r") for line in lines).decode("utf-8", "surrogateescape")
            return aiosmtplib.SMTPResponse(code, text)
        if self._may_become_one():
            return None
        self._received.clear()
        return aiosmtplib.SMTPResponse(NO_REPLY, "")

    def _may_become_one(self) -> bool:
        *lines, last = bytes(self._received).split(b"\n")
        return (
            len(self._received) <= MAX_REPLY
            and all(line[:3].isdigit() and line[3:4] == b"-" for line in lines)
            and (len(last) < 4 or last[:3].isdigit())
        )

    def _wake(self) -> None:
        if self._replies and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
