"""What a process traces with, and how a span fails."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode, Tracer, TracerProvider
from structlog.typing import Processor

from chassis.tracing.logs import add_trace_ids

SCOPE = "notification-system"  # the instrumentation scope of every span
UNTRACED: AbstractContextManager[Span] = nullcontext(INVALID_SPAN)  # stands where a span would, when tracing is off


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Tracing:
    """`tracer` is None when tracing is off: look at it before making a span's attributes."""

    tracer: Tracer | None = None
    flush: Callable[[], None] = field(default=_nothing, repr=False)

    @classmethod
    def by(cls, provider: TracerProvider, flush: Callable[[], None] = _nothing) -> "Tracing":
        """`flush` sends what waits and ends the exporter; it may block for seconds."""
        return cls(provider.get_tracer(SCOPE), flush)

    @property
    def log_processors(self) -> tuple[Processor, ...]:
        return (add_trace_ids,) if self.tracer is not None else ()


OFF = Tracing()


@contextlib.contextmanager
def span(
    tracer: Tracer, name: str, kind: SpanKind, attributes: Mapping[str, str | int], *, parent: Context | None = None
) -> Iterator[Span]:
    """A span around a block, below `parent` or else the one this code runs in.

    What the block raises makes it an error, by its class alone: a message may hold an address or a token.
    """
    with tracer.start_as_current_span(
        name, parent, kind, dict(attributes), record_exception=False, set_status_on_exception=False
    ) as begun:
        try:
            yield begun
        except BaseException as error:
            failed(begun, type(error).__name__)
            raise


def calling(tracing: Tracing, method: str, service: str) -> AbstractContextManager[Span]:
    """The client's side of an HTTP call to another service of ours. Neither path nor query: they hold ids."""
    if tracing.tracer is None:
        return UNTRACED
    attributes = {"http.request.method": method, "peer.service": service}
    return span(tracing.tracer, f"{method} {service}", SpanKind.CLIENT, attributes)


def failed(span: Span, kind: str) -> None:
    """Marks `span` as an error of this kind: a class, a code, an HTTP status. Never a message."""
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)
