"""One id follows a notification through HTTP, the queue and the provider call.

`X-Correlation-ID` names the whole story and is carried on; `X-Request-ID` names one HTTP request. Both are accepted
or made, returned, and bound to every log line.
"""

import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from types import MappingProxyType

from starlette.types import Scope
from structlog.typing import EventDict, WrappedLogger
from uuid_utils import uuid7

from chassis.raw_headers import header_of
from chassis.tracing.context import trace_headers

CORRELATION_HEADER = "X-Correlation-ID"
REQUEST_HEADER = "X-Request-ID"
_CORRELATION, _REQUEST = CORRELATION_HEADER.lower().encode(), REQUEST_HEADER.lower().encode()  # as ASGI has them
ID_HEADERS = frozenset({_CORRELATION, _REQUEST})
_ACCEPTED = re.compile(r"[A-Za-z0-9._:\-]{1,128}")  # what may go into a log line and a header unescaped
_ids: ContextVar[Mapping[str, str]] = ContextVar("ids", default=MappingProxyType({}))


def correlation_id() -> str:
    """The id of the story this code runs in, or "" outside any."""
    return _ids.get().get("correlation_id", "")


def bind_correlation(story: str, **ids: str) -> None:
    """Binds `story` (and other ids) to this task's context: its log lines and outgoing calls carry them."""
    _ids.set({"correlation_id": story, **ids})


def add_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: the ids of the story on each of its lines. What the line itself says comes first."""
    return {**_ids.get(), **event}


def outgoing_headers() -> Mapping[str, str]:
    """What an HTTP call to another service carries on: the story, and the trace if there is one. Not for providers.

    A queue may bring any id: only a clean one goes into a header.
    """
    story = _given(correlation_id())
    return {CORRELATION_HEADER: story, **trace_headers()} if story else trace_headers()


def begin_request(scope: Scope) -> Sequence[tuple[bytes, bytes]]:
    """Takes or makes both ids, binds them and gives the headers that return them."""
    request_id = _given(header_of(scope, _REQUEST)) or str(uuid7())
    story = _given(header_of(scope, _CORRELATION)) or request_id
    bind_correlation(story, http_request_id=request_id)
    return (_CORRELATION, story.encode()), (_REQUEST, request_id.encode())


def _given(value: str | None) -> str:
    return value if value and _ACCEPTED.fullmatch(value) else ""
