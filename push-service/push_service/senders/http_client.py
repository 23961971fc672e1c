"""The HTTP client for providers: few connections, one deadline per call, the system's certificate authorities."""

import select
import ssl
from asyncio import BaseTransport
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
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
from aiohttp.abc import AbstractResolver, AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import StreamWriter
from aiohttp.http_exceptions import HttpProcessingError

from chassis.http.client import plain_session


def system_authorities(protocol: str = "http/1.1") -> ssl.SSLContext:
    """The authorities at OpenSSL's default paths. SSL_CERT_FILE and SSL_CERT_DIR are used only if there are none.

    Clients of one protocol share them. Reads files: do not call it in a running event loop.
    """
    built_in = ssl.get_default_verify_paths()
    file, folder = built_in.openssl_cafile, built_in.openssl_capath
    return _authorities(file if Path(file).is_file() else None, folder if Path(folder).is_dir() else None, protocol)


@cache
def _authorities(file: str | None, folder: str | None, protocol: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=file, capath=folder)
    context.set_alpn_protocols([protocol])
    return context


_ENDED = select.POLLERR | select.POLLHUP | getattr(select, "POLLRDHUP", 0)  # the last one is Linux's: half closed


class WatchedBody(BytesPayload):
    """aiohttp holds a request's head back until the body is read, and passes both to the transport in one piece.

    `written` is False while no byte of the request can have been sent. `found_stale`: the kept connection was useless.
    Either the server had closed it, and the event loop had not processed that when aiohttp chose the connection; or the
    server had sent data without a request.
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
    return (isinstance(protocol, ResponseHandler) and protocol.should_close) or has_ended(transport)


def has_ended(transport: BaseTransport) -> bool:
    """Whether the other side has closed the connection, also if the event loop has not processed that yet."""
    ended = select.poll()
    ended.register(transport.get_extra_info("socket").fileno(), _ENDED)
    return bool(ended.poll(0))


CONNECT_SECONDS = 5.0  # for DNS, connecting and TLS together
IDLE_SECONDS = 60.0  # Google's front ends keep idle connections longer, so that this side closes them first
MAX_ANSWER = 64 * 1024  # bytes; FCM's responses have hundreds
# TimeoutError is an OSError. UnicodeError is raised for an impossible host name.
NO_EXCHANGE = (ClientError, HttpProcessingError, OSError, UnicodeError)


class Failed(Exception):
    """There is no response. `reason` is the kind of failure: the exception's text may quote the request."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotSent(Failed):
    """No byte of the request was sent."""


class _Stale(NotSent):
    """The kept connection was useless."""


class NoAnswer(Failed):
    """The request may have arrived."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """`headers` ignores case. `content` is the body, cut off after MAX_ANSWER bytes."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class HttpClient:
    """Keeps one connection for every request that may be in progress. Ignores HTTP(S)_PROXY.

    The wait for a response ends after `timeout_seconds` of silence. A whole exchange takes at most `connect_seconds`
    longer. `resolver` looks names up; without it the system's does.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float,
        connections: int,
        connect_seconds: float = CONNECT_SECONDS,
        resolver: Callable[[], AbstractResolver] | None = None,
    ) -> None:
        self._resolver = resolver
        self._connections = connections
        self._authorities = system_authorities()
        self._timeout = ClientTimeout(
            total=connect_seconds + timeout_seconds, connect=connect_seconds, sock_read=timeout_seconds
        )
        self._session: ClientSession | None = None

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """Sends one request. It is not repeated once it was written. Raises NotSent or NoAnswer."""
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
            if not body.written:  # sent before the request: it cannot be the response to it
                body.found_stale = True
                response.close()
                raise ServerDisconnectedError
            return HttpAnswer(response.status, response.headers, await _content(response))

    def _opened(self) -> ClientSession:
        """Belongs to the running event loop. There is none yet when the client is created."""
        if self._session is None:
            self._session = plain_session(
                TCPConnector(
                    limit=self._connections,
                    keepalive_timeout=IDLE_SECONDS,
                    ssl=self._authorities,
                    resolver=self._resolver() if self._resolver else None,
                ),
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
    response.close()  # such a long response is not read to its end: the connection cannot be used again
    return content[:MAX_ANSWER]
