"""The HTTP client of the providers: few connections, one deadline a call, the system's certificate authorities."""

import select
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import (
    BytesPayload,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import StreamWriter
from aiohttp.http_exceptions import HttpProcessingError

from chassis.http.client import plain_session


def system_authorities() -> ssl.SSLContext:
    """Those at the places OpenSSL was built with. SSL_CERT_FILE and SSL_CERT_DIR count only where there are none.

    Reads files: not for a running event loop.
    """
    built_in = ssl.get_default_verify_paths()
    context = ssl.create_default_context(
        cafile=built_in.openssl_cafile if Path(built_in.openssl_cafile).is_file() else None,
        capath=built_in.openssl_capath if Path(built_in.openssl_capath).is_dir() else None,
    )
    context.set_alpn_protocols(["http/1.1"])
    return context


_ENDED = select.POLLERR | select.POLLHUP | getattr(select, "POLLRDHUP", 0)  # the last is Linux's: half closed


class WatchedBody(BytesPayload):
    """aiohttp keeps a request's head back until its body, and hands both to the transport in one piece.

    `written` is False while nothing of the request can have left. `found_stale` says that the kept connection it was to
    go out on was of no use: closed by the server, of which the event loop may be about to learn when aiohttp takes the
    connection for a good one, or answered unasked.
    """

    written = False
    found_stale = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if isinstance(writer, StreamWriter) and _is_stale(writer):
            self.found_stale = True
            raise ConnectionResetError
        self.written = True
        await super().write_with_length(writer, content_length)


def _is_stale(writer: StreamWriter) -> bool:
    transport, protocol = writer.transport, writer.protocol
    if transport is None or transport.is_closing():
        return True
    if isinstance(protocol, ResponseHandler) and protocol.should_close:
        return True
    ended = select.poll()
    ended.register(transport.get_extra_info("socket").fileno(), _ENDED)
    return bool(ended.poll(0))


CONNECT_SECONDS = 5.0  # for a name's address, the connection and TLS together
IDLE_SECONDS = 60.0  # Google's front ends keep idle connections longer: they should not be the ones to close
MAX_ANSWER = 64 * 1024  # bytes; FCM's have hundreds
# TimeoutError is an OSError; UnicodeError is what a host's name that cannot be one ends in.
NO_EXCHANGE = (ClientError, HttpProcessingError, OSError, UnicodeError)


class Failed(Exception):
    """There is no answer. `reason` is the failure's kind: its words may quote what was to be sent."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotSent(Failed):
    """Nothing of the request left."""


class _Stale(NotSent):
    """Only because the connection that had been kept for it was of no use."""


class NoAnswer(Failed):
    """The request may have arrived."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """`headers` has no regard for case. `content` is what was said, cut off after MAX_ANSWER."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class HttpClient:
    """Keeps a connection for every exchange that may be in flight. Nothing in the environment redirects it.

    A silence of `timeout_seconds` ends the wait for an answer; an exchange as a whole takes `connect_seconds` longer at most.
    """

    def __init__(self, *, timeout_seconds: float, connections: int, connect_seconds: float = CONNECT_SECONDS) -> None:
        self._connections = connections
        self._authorities = system_authorities()
        self._timeout = ClientTimeout(
            total=connect_seconds + timeout_seconds, connect=connect_seconds, sock_read=timeout_seconds
        )
        self._session: ClientSession | None = None

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """One request, which is not repeated once it was written. Raises NotSent or NoAnswer."""
        try:
            return await self._try(url, content, headers)
        except _Stale:  # by now the event loop knows of every kept connection that was closed
            return await self._try(url, content, headers)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _try(self, url: str, content: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        body = WatchedBody(content)
        try:
            return await self._exchange(url, body, headers)
        except NO_EXCHANGE as error:
            kind = NoAnswer if body.written else _Stale if body.found_stale else NotSent
            raise kind(type(error).__name__) from None

    async def _exchange(self, url: str, body: WatchedBody, headers: Mapping[str, str]) -> HttpAnswer:
        async with self._opened().post(url, data=body, headers=headers, allow_redirects=False) as response:
            if not body.written:  # said before we asked: whatever it is, it is not about this request
                body.found_stale = True
                response.close()
                raise ServerDisconnectedError
            return HttpAnswer(response.status, response.headers, await _content(response))

    def _opened(self) -> ClientSession:
        """Belongs to the event loop that runs: none does yet where the client is made."""
        if self._session is None:
            self._session = plain_session(
                TCPConnector(limit=self._connections, keepalive_timeout=IDLE_SECONDS, ssl=self._authorities),
                self._timeout,
            )
        return self._session


async def _content(response: ClientResponse) -> bytes:
    content = await response.content.readany()
    while len(content) <= MAX_ANSWER:
        more = await response.content.readany()
        if not more:
            return content
        content += more
    response.close()  # whoever says so much is not read to the end: the connection cannot be used again
    return content[:MAX_ANSWER]
