"""One id follows a notification through HTTP, the queue and the provider call.

`X-Correlation-ID` names the whole story and is carried on; `X-Request-ID` names one HTTP request. Both are accepted
or made, returned, and bound to every log line.
"""

import re
from collections.abc import Mapping
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars
from uuid_utils import uuid7

from chassis.tracing.context import trace_headers

CORRELATION_HEADER = "X-Correlation-ID"
REQUEST_HEADER = "X-Request-ID"
_CORRELATION, _REQUEST = CORRELATION_HEADER.lower().encode(), REQUEST_HEADER.lower().encode()  # as ASGI has them
_NAMES = frozenset({_CORRELATION, _REQUEST})
_ACCEPTED = re.compile(r"[A-Za-z0-9._:\-]{1,128}")  # what may go into a log line and a header unescaped
_correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")


def correlation_id() -> str:
    """The id of the story this code runs in, or "" outside any."""
    return _correlation_id.get()


def begin_story(story: str, **ids: str) -> None:
    """Binds `story` (and other ids) to this task's context: its log lines and outgoing calls carry them."""
    _correlation_id.set(story)
    clear_contextvars()
    bind_contextvars(correlation_id=story, **ids)


def outgoing_headers() -> Mapping[str, str]:
    """What an HTTP call to another service carries on: the story, and the trace if there is one. Not for providers.

    A queue may bring any id: only a clean one goes into a header.
    """
    story = _given(_correlation_id.get())
    return {CORRELATION_HEADER: story, **trace_headers()} if story else trace_headers()


class CorrelationMiddleware:
    """Takes or makes both ids, binds them and returns them. On raw headers: Starlette's objects cost 20 µs a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = {name: value for name, value in scope["headers"] if name in _NAMES}
        request_id = _given(given.get(_REQUEST, b"").decode("latin-1")) or str(uuid7())
        story = _given(given.get(_CORRELATION, b"").decode("latin-1")) or request_id
        begin_story(story, http_request_id=request_id)
        ids = [(_CORRELATION, story.encode()), (_REQUEST, request_id.encode())]

        async def send_with_ids(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*(pair for pair in message["headers"] if pair[0] not in _NAMES), *ids]
            await send(message)

        await self._app(scope, receive, send_with_ids)


def _given(value: str | None) -> str:
    return value if value and _ACCEPTED.fullmatch(value) else ""
