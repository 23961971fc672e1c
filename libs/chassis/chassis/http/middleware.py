"""The one ASGI layer that handles every request before the routes.

The same work as five ASGI middlewares, each with a coroutine and a closure around `send`, inside the framework's four
layers, took a tenth of the time of accepting a notification.
"""

import time
from collections.abc import Awaitable, Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.errors import PayloadTooLarge
from chassis.http.envelope import refusal
from chassis.observability.correlation import ID_HEADERS, begin_request
from chassis.observability.metrics import RequestTimes
from chassis.raw_headers import header_of

Header = tuple[bytes, bytes]
_EXTRA = "chassis.http.middleware.headers"
NO_SNIFFING = (b"x-content-type-options", b"nosniff")  # JSON that repeats a caller's text must never be shown as a page
# The default for answers: no cache on the way may store tokens (RFC 6749, 5.1), addresses or notifications.
NEVER_KEPT = (b"cache-control", b"no-store")
# Sent if the request came over TLS, as uvicorn or a trusted proxy's X-Forwarded-Proto says. Browsers then require TLS for a
# year.
TLS_ONLY = (b"strict-transport-security", b"max-age=31536000")


def put_headers(scope: Scope, headers: Mapping[str, str]) -> None:
    """Adds headers to the answer of this request, also to a refusal, unless the answer has a header of that name itself."""
    scope[_EXTRA] = [(name.lower().encode(), value.encode()) for name, value in headers.items()]


class RequestMiddleware:
    """ASGI middleware. In this order: removes the trailing slash, turns HEAD into GET, reads or creates the ids, refuses a
    body whose declared length is too large.

    It measures the time of every answer, and adds these headers: the ids, the headers from `put_headers`, and the headers
    that protect against browsers and caches.
    """

    def __init__(self, app: ASGIApp, *, times: RequestTimes, limit: int, larger: Mapping[str, int]) -> None:
        """`limit` of a body in bytes; `larger`: by path, of a body whose length is declared."""
        self._app = app
        self._times = times
        self._limit = limit
        self._larger = larger

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        began = time.perf_counter()
        scope["path"] = _without_slash(scope["path"])
        if scope["method"] == "HEAD":
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        ids = begin_request(scope)

        def answer(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                self._times.observe(scope, message["status"], time.perf_counter() - began)
                own = [pair for pair in message["headers"] if pair[0] not in ID_HEADERS]
                names = {name for name, _ in own}
                extra = [pair for pair in scope.get(_EXTRA, ()) if pair[0] not in names]
                message["headers"] = [*own, *ids, *_safeguards(scope, names), *extra]
            return send(message)

        length = declared_length(scope)
        if length is None:
            receive = _limited_receive(receive, self._limit)
        elif length > self._limit and length > (limit := max(self._limit, self._larger.get(scope["path"], 0))):
            return refusal(PayloadTooLarge(_too_large(limit)))(scope, receive, answer)
        return self._app(scope, receive, answer)


def _safeguards(scope: Scope, names: set[bytes]) -> list[Header]:
    """The protective headers that an answer with headers of these `names` still needs."""
    found = [NO_SNIFFING]
    if NEVER_KEPT[0] not in names:
        found.append(NEVER_KEPT)
    if scope.get("scheme") == "https":
        found.append(TLS_ONLY)
    return found


def _without_slash(path: str) -> str:
    """Removes the trailing slash. Routes are declared without it; requests may have it."""
    return path[:-1] if len(path) > 1 and path[-1] == "/" and path[-2] != "/" else path


def _without_body(send: Send) -> Send:
    """HEAD is GET without the body, on every path. Its length header is the same as for GET."""

    async def head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return head


def declared_length(scope: Scope) -> int | None:
    """The body length that the server enforces while it reads the request. None if it enforces none."""
    length = header_of(scope, b"content-length")
    if length is None or header_of(scope, b"transfer-encoding") is not None:
        return None
    return int(length) if length.isdecimal() and length.isascii() else None


def _limited_receive(receive: Receive, limit: int) -> Receive:
    seen = 0

    async def receive_within_limit() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            # HTTPException, because FastAPI turns every other error while it reads a body into a 400.
            raise HTTPException(413, _too_large(limit))
        return message

    return receive_within_limit


def _too_large(limit: int) -> str:
    return f"The request body is larger than {limit} bytes"
