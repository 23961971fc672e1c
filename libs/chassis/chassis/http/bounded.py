"""The server's HTTP protocol with limits on the memory and the time that one connection may use.

httptools and uvicorn have no such limits. Endless header or trailer bytes would fill the memory, and a client that sends
half a head or half a body would keep its connection for ever. A refusal is an answer in the envelope; the connection is
then closed.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from typing import Any, ClassVar, cast

from uuid_utils import uuid7

from chassis.errors import BadRequest, ServiceError, TooManyRequests
from chassis.http.envelope import refusal
from chassis.http.single_write import SingleWriteProtocol
from chassis.observability.correlation import CORRELATION_HEADER, REQUEST_HEADER


class HeadersTooLarge(ServiceError):
    status, code, message = 431, "headers_too_large", "The request's headers are too large"


class RequestTimeout(ServiceError):
    status, code, message = 408, "request_timeout", "The request did not arrive in time"


class InvalidHttp(BadRequest):
    code, message = "invalid_http", "This is not HTTP that can be read"


class TooManyConnections(TooManyRequests):
    code, message = "too_many_connections", "Too many connections from this address"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of a connection, in bytes and seconds.

    `rest_…` limits the rest of a body that was answered before its end. `goodbye_…` limits a connection that was refused.
    `unread_seconds` is how long a client may read nothing of an answer. `of_one_address` is the number of simultaneous
    connections per address, 0 for no limit. Addresses in `trusted` are not counted: they are proxies, and all clients
    behind a proxy have its address.
    """

    head_bytes: int = 32_768
    head_fields: int = 100
    pipelined: int = 32
    head_seconds: float = 10.0
    body_seconds: float = 60.0
    goodbye_seconds: float = 2.0
    goodbye_bytes: int = 262_144
    rest_seconds: float = 10.0
    rest_bytes: int = 1_048_576
    unread_seconds: float = 60.0
    of_one_address: int = 0
    trusted: tuple[str, ...] = field(default=())

    def trusts(self, address: str) -> bool:
        if "*" in self.trusted:
            return True
        try:
            known = ip_address(address)
        except ValueError:
            return False
        known = getattr(known, "ipv4_mapped", None) or known
        return any(known in ip_network(one, strict=False) for one in self.trusted)


# After a deadline, data that arrived while the loop was busy is read first. Otherwise a request that was in time is reset.
LAST_READ_SECONDS = 0.1


class _Phase(Enum):
    BETWEEN = auto()  # between two requests, or before the first
    HEAD = auto()
    BODY = auto()


class _Refused(Exception):
    """Raised in a parser callback: stops the parser."""


def bounded(bounds: Bounds) -> type["BoundedProtocol"]:
    """The protocol class for uvicorn. It counts the connections of all its instances together."""

    class Protocol(BoundedProtocol):
        pass

    Protocol.bounds = bounds
    Protocol.by_address = Counter()
    return Protocol


class BoundedProtocol(SingleWriteProtocol):
    """`quiet` is the number of received bytes that the parser still holds: no complete field, chunk or body part yet."""

    bounds: ClassVar[Bounds] = Bounds()
    by_address: ClassVar[Counter[str]] = Counter()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._phase = _Phase.BETWEEN
        self._quiet = 0
        self._head = 0
        self._fields = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._ending: asyncio.TimerHandle | None = None  # aborts a connection whose peer does not read
        self._refused: ServiceError | None = None
        self._over = False  # the last answer was sent: further data is discarded
        self._goodbye = 0
        self._read_late = False  # data that came before this deadline has been read
        self._counted: str | None = None

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        bounds = self.bounds
        if bounds.of_one_address and address and not bounds.trusts(address):
            self._counted = address
            self.by_address[address] += 1
            if self.by_address[address] > bounds.of_one_address:
                self._refuse(TooManyConnections())
                return
        self._within(bounds.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        self._keep()
        if self._counted is not None:
            self.by_address[self._counted] -= 1
            if not self.by_address[self._counted]:
                del self.by_address[self._counted]
            self._counted = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._over:
            self._goodbye += len(data)
            if self._goodbye > self.bounds.goodbye_bytes:
                self.transport.abort()
            return
        self._quiet += len(data)
        super().data_received(data)
        if not self._over and not self.transport.is_closing():
            self._check_unfinished(len(data))

    def _check_unfinished(self, received: int) -> None:
        """Checks the unfinished part of a request after a read."""
        match self._phase, self._is_answered():
            case _Phase.BODY, True:
                self._goodbye += received
                if self._goodbye > self.bounds.rest_bytes:
                    self._hang_up()
            case _Phase.BETWEEN, True:  # perhaps blank lines: no request has begun
                self._until(self.bounds.head_seconds)
            case _Phase.BETWEEN, False:
                self._in_time()
            case _ if self._quiet > self.bounds.head_bytes:
                self._refuse(HeadersTooLarge())
            case phase, _:
                self._until(self.bounds.head_seconds if phase is _Phase.HEAD else self.bounds.body_seconds)

    def on_response_complete(self) -> None:
        """If the answer did not wait for the whole body, the rest of the body gets a short time to arrive."""
        super().on_response_complete()
        if self.transport.is_closing() and self._ending is None:
            self._abort_in(self.bounds.unread_seconds)
        if self._phase is _Phase.BODY and not self.transport.is_closing() and self._is_answered():
            self._goodbye = 0
            self._within(self.bounds.rest_seconds)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._abort_in(self.bounds.unread_seconds)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._keep()

    def timeout_keep_alive_handler(self) -> None:
        self._within(0)

    # The parser

    def on_message_begin(self) -> None:
        self._in_time()
        self._phase = _Phase.HEAD
        self._head = self._fields = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        self._count(len(name) + len(value) + 4)
        if self._fields > self.bounds.head_fields:
            self._stop(HeadersTooLarge())
        if self._phase is _Phase.HEAD:  # trailers are not used
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_time()
        super().on_headers_complete()
        self._phase = _Phase.BODY
        self._quiet = self._head = self._fields = 0
        if len(self.pipeline) > self.bounds.pipelined:
            self._stop(TooManyRequests("Too many requests at once on one connection"))

    def on_chunk_header(self) -> None:
        self._quiet = 0

    def on_body(self, body: bytes) -> None:
        self._quiet = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_time()
        answered = self._is_answered()
        self._phase = _Phase.BETWEEN
        self._quiet = 0
        super().on_message_complete()
        if answered and not self.transport.is_closing():
            self._within(self.timeout_keep_alive)

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > self.bounds.head_bytes:
            self._stop(HeadersTooLarge())

    def _stop(self, error: ServiceError) -> None:
        """Raises, because a parser stops when a callback raises. `send_400_response` then sends the error."""
        self._refused = error
        raise _Refused

    # Endings

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own message, in plain text
        self._refuse(self._refused or InvalidHttp())

    def _refuse(self, error: ServiceError) -> None:
        """Answers, unless another answer is being sent. Then closes, after a short time in which the client can read."""
        self._over = True
        self._goodbye = 0
        self._unset_keepalive_if_required()
        cycle = self.cycle
        if self._is_answered():
            answerable = self._phase is not _Phase.BODY  # in BODY the request already has its answer
        else:
            answerable = self._phase is _Phase.BODY and not self.pipeline and not cycle.response_started
            cycle.disconnected = True
            cycle.waiting_for_100_continue = False
            cycle.message_event.set()
        if not answerable:
            self._hang_up()
            return
        self.transport.write(_as_bytes(error))
        cast("Any", self.transport).flush()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._within(self.bounds.goodbye_seconds)

    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _late(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if self._over:
            self.transport.abort()
        elif self.flow.read_paused:  # reading is paused on our side
            self._within(self.bounds.head_seconds)
        elif not self._read_late:
            self._within(LAST_READ_SECONDS)
            self._read_late = True
        elif self._is_answered() and self._phase is not _Phase.HEAD:
            self._hang_up()
        else:
            self._refuse(RequestTimeout())

    def _hang_up(self) -> None:
        self.transport.close()
        self._abort_in(self.bounds.goodbye_seconds)

    def _abort_in(self, seconds: float) -> None:
        """Aborts after `seconds`: closing alone waits until the peer has read everything, without a limit."""
        self._keep()
        self._ending = self.loop.call_later(seconds, self.transport.abort)

    def _keep(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None

    # The clock

    def _within(self, seconds: float) -> None:
        self._in_time()
        self._read_late = False
        self._deadline = self.loop.call_later(seconds, self._late)

    def _until(self, seconds: float) -> None:
        """Like `_within`, but keeps a running deadline: a byte now and then does not extend it."""
        if self._deadline is None:
            self._within(seconds)

    def _in_time(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _as_bytes(error: ServiceError) -> bytes:
    """The complete answer, with the ids: no app has seen the request, so no other code adds them."""
    answer = refusal(error)
    correlation = str(uuid7()).encode()
    headers = [
        *answer.raw_headers,
        (CORRELATION_HEADER.lower().encode(), correlation),
        (REQUEST_HEADER.lower().encode(), correlation),
        (b"connection", b"close"),
    ]
    lines = [b"HTTP/1.1 %d %s" % (error.status, HTTPStatus(error.status).phrase.encode())]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + bytes(answer.body)
