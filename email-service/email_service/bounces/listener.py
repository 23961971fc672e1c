"""Receives the mail of BOUNCE_DOMAIN, by SMTP from other servers or by LMTP from one of our own.

It accepts one recipient at a time: one of our return paths, or the address for complaints. It relays nothing, and strangers
learn nothing from it.
"""

import asyncio
import logging
from typing import Any

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from chassis.errors import Unavailable
from email_service.bounces.processing import BounceProcessor
from email_service.bounces.reading import MAX_BYTES
from email_service.bounces.return_path import ReturnPath

log = structlog.get_logger()

MAX_CONNECTIONS = 50
MAX_COMMANDS = 100  # of each kind, on one connection
IDLE_SECONDS = 60.0
LATER = "451 4.3.0 Try again later"


class BounceListener:
    """`port` 0 takes a free port; `port` has its number after `start`."""

    def __init__(self, processor: BounceProcessor, return_path: ReturnPath, *, host: str, port: int) -> None:
        self.port = port
        self._host = host
        self._handler = _Handler(processor, return_path)
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()

    async def start(self) -> None:
        for name in ("mail.log", "mail.debug"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # aiosmtpd logs addresses
        self._server = await asyncio.get_running_loop().create_server(self._answer, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        log.info("bounces.listening", port=self.port)

    async def close(self) -> None:
        """Ends all connections. Their senders try again later."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._open):
            connection.abort()
        await self._server.wait_closed()

    def _answer(self) -> asyncio.Protocol:
        return _Connection(self._handler, self._open) if len(self._open) < MAX_CONNECTIONS else _TooManyConnections()


class _Handler:
    """The names are aiosmtpd's."""

    def __init__(self, processor: BounceProcessor, return_path: ReturnPath) -> None:
        self._processor = processor
        self._return_path = return_path

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if envelope.rcpt_tos:
            return "452 4.5.3 One recipient at a time"
        if self._return_path.read(address) is None and not self._return_path.takes_complaints(address):
            return "550 5.1.1 No such address"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content or b""
        try:
            result = await self._processor.process(content, arrived_at=envelope.rcpt_tos[0])
        except Unavailable:
            return LATER
        return "554 5.6.0 Not understood" if result == "unreadable" else "250 2.0.0 Ok"

    async def handle_exception(self, error: Exception) -> str:
        log.error("bounces.connection_failed", error=type(error).__name__)
        return LATER


class _Connection(SMTP):
    """SMTP and LMTP: with one recipient they differ in the greeting only."""

    def __init__(self, handler: _Handler, open_connections: "set[_Connection]") -> None:
        super().__init__(
            handler,
            data_size_limit=MAX_BYTES,
            enable_SMTPUTF8=True,
            hostname="bounces",
            ident="ESMTP",
            timeout=IDLE_SECONDS,
            command_call_limit=MAX_COMMANDS,
        )
        self._open_connections = open_connections
        self._socket: asyncio.BaseTransport | None = None

    async def smtp_LHLO(self, hostname: str) -> None:  # noqa: N802
        await self.smtp_EHLO(hostname)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = transport
        self._open_connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._open_connections.discard(self)
        super().connection_lost(error)

    def abort(self) -> None:
        if isinstance(self._socket, asyncio.Transport):
            self._socket.abort()


class _TooManyConnections(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        transport.write(b"421 4.3.2 Too many connections\r\n")
        transport.close()
