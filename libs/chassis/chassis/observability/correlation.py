"""One id follows a notification through HTTP, the queue and the provider call.

`X-Correlation-ID` names everything that follows from one request, and is passed on. `X-Request-ID` names one HTTP request.
Both are accepted or created, returned, and added to every log line.
"""

import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from types import MappingProxyType

from starlette.types import Scope
from structlog.typing import EventDict, WrappedLogger
from uuid_utils import uuid7

from chassis.observability.tracing.context import trace_headers
from chassis.raw_headers import header_of

CORRELATION_HEADER = "X-Correlation-ID"
REQUEST_HEADER = "X-Request-ID"
_CORRELATION, _REQUEST = CORRELATION_HEADER.lower().encode(), REQUEST_HEADER.lower().encode()  # as ASGI has them
ID_HEADERS = frozenset({_CORRELATION, _REQUEST})
_ACCEPTED = re.compile(r"[A-Za-z0-9._:\-]{1,128}")  # may go into a log line and a header without escaping
_ids: ContextVar[Mapping[str, str]] = ContextVar("ids", default=MappingProxyType({}))


def correlation_id() -> str:
    """The correlation id of the running task, or "" if there is none."""
    return _ids.get().get("correlation_id", "")


def bind_correlation(correlation: str, **ids: str) -> None:
    """Binds `correlation` (and other ids) to this task's context: its log lines and outgoing calls contain them."""
    _ids.set({"correlation_id": correlation, **ids})


def add_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: adds the bound ids to each log line. Fields of the line itself have precedence."""
    return {**_ids.get(), **event}


def outgoing_headers() -> Mapping[str, str]:
    """The headers of an HTTP call to another service: the correlation id, and the trace if there is one. Not for providers.

    A queue message may contain any id. Only a clean id goes into a header.
    """
    correlation = _given(correlation_id())
    return {CORRELATION_HEADER: correlation, **trace_headers()} if correlation else trace_headers()


def begin_request(scope: Scope) -> Sequence[tuple[bytes, bytes]]:
    """Reads or creates both ids, binds them, and returns the headers that send them back."""
    request_id = _given(header_of(scope, _REQUEST)) or str(uuid7())
    correlation = _given(header_of(scope, _CORRELATION)) or request_id
    bind_correlation(correlation, http_request_id=request_id)
    return (_CORRELATION, correlation.encode()), (_REQUEST, request_id.encode())


def _given(value: str | None) -> str:
    return value if value and _ACCEPTED.fullmatch(value) else ""
