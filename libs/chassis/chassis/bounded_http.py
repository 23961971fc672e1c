"""The server's HTTP protocol with bounds: what one connection may hold in memory, and for how long.

httptools and uvicorn bound none of it: header and trailer bytes without end grow until memory is full, and whoever sends
half a head or half a body keeps a connection for ever. Refusals are in the envelope; a connection that was refused is closed.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from typing import Any, ClassVar, cast

from uuid_utils import uuid7

from chassis.correlation import CORRELATION_HEADER, REQUEST_HEADER
from chassis.envelope import refusal
from chassis.errors import BadRequest, ServiceError, TooManyRequests
from chassis.single_write import SingleWriteProtocol


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
    """What a connection may do, in bytes and seconds.

    `rest_…` is for a body that was answered before its end, `goodbye_…` for a connection that was refused; `unread_seconds`:
    how long nothing may be taken of an answer. `of_one_address` are the connections at a time, 0 for as many as they like;
    addresses in `trusted` (those of proxies, behind which everybody has the same) are not counted.
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


# After a deadline: what came while the loop was busy elsewhere is read first, else a request that was in time is reset.
LAST_LOOK_SECONDS = 0.1


class _Phase(Enum):
    BETWEEN = auto()  # two requests, or before the first
    HEAD = auto()
    BODY = auto()


class _Refused(Exception):
    """In a callback of the parser's: what it reads goes no further."""


def bounded(bounds: Bounds) -> type["BoundedProtocol"]:
    """The protocol class for uvicorn: its connections are counted together."""

    class Protocol(BoundedProtocol):
        pass

    Protocol.bounds = bounds
    Protocol.by_address = Counter()
    return Protocol


class BoundedProtocol(SingleWriteProtocol):
    """`quiet` bytes have come that have not become a field, a chunk or a part of a body yet: the parser holds them."""

    bounds: ClassVar[Bounds] = Bounds()
    by_address: ClassVar[Counter[str]] = Counter()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._phase = _Phase.BETWEEN
        self._quiet = 0
        self._head = 0
        self._fields = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._ending: asyncio.TimerHandle | None = None  # by force, of a connection whose peer takes nothing
        self._refused: ServiceError | None = None
        self._over = False  # answered for the last time: what still comes is thrown away
        self._goodbye = 0
        self._looked = False  # once more, after this deadline
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
            self._look(len(data))

    def _look(self, received: int) -> None:
        """At what is unfinished after a read."""
        match self._phase, self._is_answered():
            case _Phase.BODY, True:
                self._goodbye += received
                if self._goodbye > self.bounds.rest_bytes:
                    self._hang_up()
            case _Phase.BETWEEN, True:  # blank lines, perhaps: no request has begun
                self._until(self.bounds.head_seconds)
            case _Phase.BETWEEN, False:
                self._in_time()
            case _ if self._quiet > self.bounds.head_bytes:
                self._refuse(HeadersTooLarge())
            case phase, _:
                self._until(self.bounds.head_seconds if phase is _Phase.HEAD else self.bounds.body_seconds)

    def on_response_complete(self) -> None:
        """An answer that did not wait for the whole body: the rest of that has a moment to come."""
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
        if self._phase is _Phase.HEAD:  # a trailer says nothing that anybody here reads
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
        """The parser gives up when a callback raises; `send_400_response` says why then."""
        self._refused = error
        raise _Refused

    # Endings

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words, in plain text
        self._refuse(self._refused or InvalidHttp())

    def _refuse(self, error: ServiceError) -> None:
        """Answers if nothing else is being answered, then closes: with a moment for the answer to be read."""
        self._over = True
        self._goodbye = 0
        self._unset_keepalive_if_required()
        cycle = self.cycle
        if self._is_answered():
            answerable = self._phase is not _Phase.BODY  # else the request has its answer
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
        elif self.flow.read_paused:  # it is we who do not read on
            self._within(self.bounds.head_seconds)
        elif not self._looked:
            self._within(LAST_LOOK_SECONDS)
            self._looked = True
        elif self._is_answered() and self._phase is not _Phase.HEAD:
            self._hang_up()
        else:
            self._refuse(RequestTimeout())

    def _hang_up(self) -> None:
        self.transport.close()
        self._abort_in(self.bounds.goodbye_seconds)

    def _abort_in(self, seconds: float) -> None:
        """Closing waits until the peer has taken what was written, however long it does not."""
        self._keep()
        self._ending = self.loop.call_later(seconds, self.transport.abort)

    def _keep(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None

    # The clock

    def _within(self, seconds: float) -> None:
        self._in_time()
        self._looked = False
        self._deadline = self.loop.call_later(seconds, self._late)

    def _until(self, seconds: float) -> None:
        """As `_within`, unless a deadline stands: a byte now and then does not move it."""
        if self._deadline is None:
            self._within(seconds)

    def _in_time(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _as_bytes(error: ServiceError) -> bytes:
    """The whole answer: no app has seen the request, so nobody else puts the ids on it."""
    answer = refusal(error)
    story = str(uuid7()).encode()
    headers = [
        *answer.raw_headers,
        (CORRELATION_HEADER.lower().encode(), story),
        (REQUEST_HEADER.lower().encode(), story),
        (b"connection", b"close"),
    ]
    lines = [b"HTTP/1.1 %d %s" % (error.status, HTTPStatus(error.status).phrase.encode())]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + bytes(answer.body)
