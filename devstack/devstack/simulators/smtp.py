"""The mail provider: an SMTP server on the running loop that takes everything, except what `magic.EMAIL_TABLE` says."""

import asyncio
import logging

from devstack.simulators.faults import Faults
from devstack.simulators.smtp_handler import CLOSING, SmtpHandler
from devstack.simulators.smtp_session import SIZE_LIMIT, SmtpSession
from devstack.simulators.store import Inbox

_IDLE_SECONDS = 1800  # longer than any stall that a test asks for; the clock runs while an answer is held back


class SmtpSimulator:
    """`port` 0 takes a free one; `port` tells which after `start()`."""

    def __init__(self, inbox: Inbox, *, faults: Faults | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        self.faults = faults or Faults()
        self.port = port
        self._host = host
        self._inbox = inbox
        self._handler = SmtpHandler(inbox, self.faults)
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def start(self) -> None:
        logging.getLogger("mail.log").setLevel(logging.WARNING)  # at INFO aiosmtpd writes every address
        self._server = await asyncio.get_running_loop().create_server(self._answer, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Drops every connection, as a process that ends does."""
        if self._server is None:
            return
        self._server.close()
        await asyncio.gather(*(connection.drop() for connection in list(self._connections)))
        await self._server.wait_closed()
        self._server = None

    def _answer(self) -> asyncio.Protocol:
        if self.faults.smtp == "down":
            self._inbox.emails.refused += 1
            return _TurnedAway()
        return _Connection(self._handler, self._connections)


class _Connection(SmtpSession):
    """A session that its server can find again, to drop it."""

    def __init__(self, handler: SmtpHandler, register: set["_Connection"]) -> None:
        super().__init__(
            handler,
            hostname="simulator.localhost",
            ident="ESMTP",
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            timeout=_IDLE_SECONDS,
            loop=asyncio.get_running_loop(),
        )
        self._register = register

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._register.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._register.discard(self)
        super().connection_lost(error)

    async def drop(self) -> None:
        task = self._handler_coroutine
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
        if task is not None:
            await asyncio.wait([task])


class _TurnedAway(asyncio.Protocol):
    """A provider that is down: 421 instead of a greeting."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(f"{CLOSING}\r\n".encode())
            transport.close()
