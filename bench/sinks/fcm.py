"""FCM's two URLs as a minimal HTTP/1.1 server: the token endpoint, and `messages:send`, which takes every message."""

import asyncio
import re
from dataclasses import dataclass
from typing import cast

from bench.sinks.replies import Delay, Replier
from bench.sinks.tally import Tally

ACCESS = b"sink-access-token"
GRANT = b'{"access_token":"%b","expires_in":3600,"token_type":"Bearer"}' % ACCESS
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_BEARER = re.compile(rb"\r\nauthorization:\s*bearer\s+(\S+)", re.IGNORECASE)
_ID = re.compile(rb'"notification_id"\s*:\s*"([^"]+)"')
_REASONS = {200: b"OK", 400: b"Bad Request", 401: b"Unauthorized", 404: b"Not Found"}


@dataclass(frozen=True, slots=True)
class Request:
    path: bytes
    head: bytes
    body: bytes


class FcmSession(asyncio.Protocol):
    """One kept connection. Requests may arrive in any pieces."""

    def __init__(self, tally: Tally, delay: Delay) -> None:
        self._tally = tally
        self._delay = delay
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.WriteTransport", transport)  # uvloop's transport is none by inheritance
        self._replier = Replier(stream, self._delay)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (request := take_request(self._received)) is not None:
            status, body = self._answer(request)
            self._replier.say(answer(status, body))

    def _answer(self, request: Request) -> tuple[int, bytes]:
        if request.path == b"/token":
            return 200, GRANT
        if not request.path.endswith(b"/messages:send"):
            return 404, b'{"error":{"code":404,"status":"NOT_FOUND"}}'
        bearer = _BEARER.search(request.head)
        if bearer is None or bearer[1] != ACCESS:
            return 401, b'{"error":{"code":401,"status":"UNAUTHENTICATED"}}'
        found = _ID.search(request.body)
        if found is None:
            return 400, b'{"error":{"code":400,"message":"no notification_id","status":"INVALID_ARGUMENT"}}'
        self._tally.take(found[1].decode("ascii", "replace"))
        return 200, b'{"name":"projects/sink/messages/%d"}' % self._tally.number


def take_request(received: bytearray) -> Request | None:
    """Removes the first request from the received bytes and returns it. None while it is incomplete."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(received[:end])
    found = _LENGTH.search(head)
    length = int(found[1]) if found else 0
    whole = end + 4 + length
    if len(received) < whole:
        return None
    body = bytes(received[end + 4 : whole])
    del received[:whole]
    return Request(head.split(b" ", 2)[1], head, body)


def answer(status: int, body: bytes) -> bytes:
    start = b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return start % (status, _REASONS[status], len(body)) + body
