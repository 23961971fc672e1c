"""HTTP/2 to one server, over one connection at a time (RFC 9113).

APNs ends a connection with GOAWAY, which names the last request that it processes. Later requests are certainly not accepted
and are sent again on the next connection; earlier ones are still answered. Most HTTP clients treat both as lost.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError

from push_service.senders.http_client import CONNECT_SECONDS, MAX_ANSWER, HttpAnswer, NoAnswer, NotSent, has_ended

IDLE_SECONDS = 300.0
FRAME_HEAD = 9
GOAWAY = 7
LAST_STREAM = 2**30  # there are numbers for twice as many
Headers = Sequence[tuple[str, str]]


class Unprocessed(NotSent):
    """The server did not process the request: it may be sent again at once, on another connection."""


@dataclass(slots=True)
class _Stream:
    """One request that waits for its response."""

    answer: asyncio.Future[HttpAnswer]
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)

    def fail(self, error: NotSent | NoAnswer) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Connection(asyncio.Protocol):
    """Carries many requests at once. It is `usable` until the server or the network ends it. Open requests may still be
    answered then.
    """

    def __init__(self) -> None:
        self._ended = False
        self._used_at = time.monotonic()
        self._received = bytearray()
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._streams: dict[int, _Stream] = {}
        self._settings = asyncio.Event()  # the server's, which limit the requests at once
        self._changed = asyncio.Event()  # a stream has ended, or the flow-control window has grown
        self._transport: asyncio.Transport | None = None

    async def wait_for_capacity(self, content: bytes) -> None:
        """Waits until a request with this body can be written at once, so that it is sent completely or not at all."""
        await self._settings.wait()
        while not self._ended and not self._has_capacity_for(content):
            self._changed.clear()
            await self._changed.wait()

    async def post(self, headers: Headers, content: bytes) -> HttpAnswer:
        """Call it right after `wait_for_capacity`. Raises Unprocessed or NoAnswer."""
        if not self.usable:
            raise Unprocessed("ConnectionClosed")
        self._used_at = time.monotonic()
        number = self._h2.get_next_available_stream_id()
        stream = self._streams[number] = _Stream(asyncio.get_running_loop().create_future())
        try:
            self._h2.send_headers(number, headers)
            self._h2.send_data(number, content, end_stream=True)
            self._flush()
            return await stream.answer
        finally:
            self._forget(number, answered=stream.answer.done())

    @property
    def usable(self) -> bool:
        """Whether requests may still be sent. A router in between may have forgotten an idle connection."""
        idle = not self._streams and time.monotonic() - self._used_at > IDLE_SECONDS
        used_up = self._h2.highest_outbound_stream_id > LAST_STREAM
        return not (self._ended or idle or used_up or self._transport is None or has_ended(self._transport))

    def close(self) -> None:
        """Open requests get no answer."""
        self._end()
        if self._transport is not None:
            self._transport.close()

    def retire(self) -> None:
        """Accepts no more requests, and closes the connection when the open ones are answered."""
        self._end()
        self._close_when_done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            while (end := self._frame_end()) <= len(self._received):
                frame = bytes(self._received[:end])
                del self._received[:end]
                self._on_frame(frame)
        except ProtocolError:
            self.close()
        self._flush()
        self._changed.set()

    def _frame_end(self) -> int:
        """RFC 9113, 4.1: 24 bits of length, then the type, flags and stream, nine bytes in all."""
        length = int.from_bytes(self._received[:3]) if len(self._received) >= FRAME_HEAD else 0
        if length > self._h2.max_inbound_frame_size:
            raise ProtocolError
        return FRAME_HEAD + length

    def _on_frame(self, frame: bytes) -> None:
        """h2 must not see GOAWAY: it would read no more responses."""
        if frame[3] == GOAWAY and len(frame) >= FRAME_HEAD + 8:
            self._go_away(last=int.from_bytes(frame[FRAME_HEAD : FRAME_HEAD + 4]) & 0x7FFFFFFF)
            return
        for event in self._h2.receive_data(frame):
            self._on(event)

    def _go_away(self, *, last: int) -> None:
        self._end()
        for number, stream in self._streams.items():
            if number > last:
                stream.fail(Unprocessed("GoAway"))
        self._close_when_done()

    def connection_lost(self, _error: Exception | None) -> None:
        self._end()
        for stream in self._streams.values():
            stream.fail(NoAnswer("ConnectionLost"))

    def _on(self, event: Event) -> None:
        match event:
            case RemoteSettingsChanged():
                self._settings.set()
            case ResponseReceived() | DataReceived() | StreamEnded() | StreamReset():
                if event.stream_id in self._streams:
                    self._on_stream(event, self._streams[event.stream_id])

    def _on_stream(self, event: ResponseReceived | DataReceived | StreamEnded | StreamReset, stream: _Stream) -> None:
        match event:
            case ResponseReceived(headers=headers):
                found = {str(name): str(value) for name, value in headers or ()}
                stream.status, stream.headers = int(found.pop(":status", "0")), found
            case DataReceived(data=data, flow_controlled_length=length):
                stream.body += (data or b"")[: MAX_ANSWER - len(stream.body)]
                self._h2.acknowledge_received_data(length or 0, event.stream_id)
            case StreamEnded():
                if not stream.answer.done():
                    stream.answer.set_result(HttpAnswer(stream.status, stream.headers, bytes(stream.body)))
            case StreamReset(error_code=code):
                refused = code == ErrorCodes.REFUSED_STREAM  # RFC 9113, 8.7: before any processing
                stream.fail(Unprocessed("StreamRefused") if refused else NoAnswer("StreamReset"))

    def _has_capacity_for(self, content: bytes) -> bool:
        return (
            self._h2.open_outbound_streams < self._h2.remote_settings.max_concurrent_streams
            and self._h2.outbound_flow_control_window >= len(content)
        )

    def _forget(self, number: int, *, answered: bool) -> None:
        del self._streams[number]
        if not answered and self._transport is not None and not self._transport.is_closing():
            self._h2.reset_stream(number, ErrorCodes.CANCEL)
            self._flush()
        self._changed.set()
        self._close_when_done()

    def _close_when_done(self) -> None:
        if self._ended and all(stream.answer.done() for stream in self._streams.values()):
            self.close()

    def _end(self) -> None:
        self._ended = True
        self._settings.set()
        self._changed.set()

    def _flush(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._h2.data_to_send())


class Http2Client:
    """Sends to the server at `url`: https, or plain http for a simulator. `authorities` verify its certificate.

    Connecting takes at most `connect_seconds`. Waiting until the connection can carry the request takes at most
    `timeout_seconds`, and so does waiting for the answer.
    """

    def __init__(
        self,
        url: str,
        authorities: ssl.SSLContext,
        *,
        timeout_seconds: float,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        parts = urlsplit(url)
        authorities.set_alpn_protocols(["h2"])
        self._tls = authorities if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._base = [(":method", "POST"), (":scheme", parts.scheme), (":authority", parts.netloc)]
        self._timeout_seconds = timeout_seconds
        self._connect_seconds = connect_seconds
        self._connecting = asyncio.Lock()
        self._connection: Connection | None = None

    async def post(self, path: str, content: bytes, headers: Headers) -> HttpAnswer:
        """Sends one request. It is repeated only if the server did not process it. Raises NotSent or NoAnswer."""
        complete = [*self._base, (":path", path), *headers]
        try:
            return await self._try(complete, content)
        except Unprocessed:
            return await self._try(complete, content)

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    async def _try(self, headers: Headers, content: bytes) -> HttpAnswer:
        connection = await self._connected()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await connection.wait_for_capacity(content)
        except TimeoutError:
            raise NotSent("TimeoutError") from None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await connection.post(headers, content)
        except TimeoutError:
            raise NoAnswer("TimeoutError") from None

    async def _connected(self) -> Connection:
        async with self._connecting:
            if self._connection is None or not self._connection.usable:
                if self._connection is not None:
                    self._connection.retire()
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                transport, made = await loop.create_connection(
                    Connection, self._host, self._port, ssl=self._tls, server_hostname=self._host if self._tls else None
                )
        except (OSError, UnicodeError) as error:  # TimeoutError and ssl.SSLError are OSErrors
            raise NotSent(type(error).__name__) from None
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            made.close()
            raise NotSent("NoHttp2")
        return made
