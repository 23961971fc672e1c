"""Tracing of one process: its configuration from the environment, its spans, and the SDK's own log lines."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import NoReturn

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode, Tracer, TracerProvider
from structlog.typing import EventDict, Processor, WrappedLogger


def add_trace_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: `trace_id` and `span_id`, in hexadecimal as trace viewers show them."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
        event["span_id"] = f"{context.span_id:016x}"
    return event


SCOPE = "notification-system"  # the instrumentation scope of every span
UNTRACED: AbstractContextManager[Span] = nullcontext(INVALID_SPAN)  # takes the place of a span when tracing is off


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Tracing:
    """`tracer` is None if tracing is off: check it before you create a span's attributes."""

    tracer: Tracer | None = None
    flush: Callable[[], None] = field(default=_nothing, repr=False)

    @classmethod
    def by(cls, provider: TracerProvider, flush: Callable[[], None] = _nothing) -> "Tracing":
        """`flush` sends pending spans and ends the exporter. It may block for seconds."""
        return cls(provider.get_tracer(SCOPE), flush)

    @property
    def log_processors(self) -> tuple[Processor, ...]:
        return (add_trace_ids,) if self.tracer is not None else ()


OFF = Tracing()


@contextlib.contextmanager
def span(
    tracer: Tracer, name: str, kind: SpanKind, attributes: Mapping[str, str | int], *, parent: Context | None = None
) -> Iterator[Span]:
    """A span around a block, below `parent`, or otherwise below the current span.

    An exception of the block marks the span as an error, by its class only: a message may contain an address or a token.
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
    """The client side of an HTTP call to another of our services. Without path and query, which contain ids."""
    if tracing.tracer is None:
        return UNTRACED
    attributes = {"http.request.method": method, "peer.service": service}
    return span(tracing.tracer, f"{method} {service}", SpanKind.CLIENT, attributes)


def failed(span: Span, kind: str) -> None:
    """Marks `span` as an error of this kind: a class, a code, an HTTP status. Never a message."""
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)


# Tracing as configured in the environment: OpenTelemetry's own variables only.
#
# The SDK reads most of them itself (sampler, headers, timeouts, batch sizes). This code decides whether tracing is on, and
# only then imports the SDK.

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
FLUSH_SECONDS = 5.0  # for the last spans at the end; with an unreachable collector the SDK alone takes 30


def tracing_from_environment(service: str, environment: Mapping[str, str] = os.environ) -> Tracing:
    """On if an OTLP endpoint is set. Ends the process with status 2 and one line if the configuration is not possible."""
    endpoint = _first_set(ENDPOINTS, environment)
    if endpoint is None or _is_refused(environment):
        return OFF
    protocol = _first_set(PROTOCOLS, environment)
    if protocol is not None and environment[protocol] != "http/protobuf":
        _stop(f"{protocol}: traces are exported over http/protobuf only; set that, and an endpoint that takes it")
    try:
        return _exporting(service)
    except ImportError:
        _stop(
            f"{endpoint} is set and the OpenTelemetry SDK is not installed: install {service} with its extra `tracing`, "
            "or unset the variable"
        )


def _is_refused(environment: Mapping[str, str]) -> bool:
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return disabled or environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"


def _first_set(names: tuple[str, ...], environment: Mapping[str, str]) -> str | None:
    return next((name for name in names if environment.get(name, "").strip()), None)


def _exporting(service: str) -> Tracing:
    """Raises ImportError without the SDK."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an option
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):  # neither variable names the service
        resource = resource.merge(Resource({SERVICE_NAME: service}))
    provider, exporter = TracerProvider(resource=resource, shutdown_on_exit=False), OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))

    def flush() -> None:
        deadline = threading.Timer(FLUSH_SECONDS, exporter.shutdown)
        deadline.start()
        provider.shutdown()
        deadline.cancel()

    return Tracing.by(provider, flush)


def _stop(line: str) -> NoReturn:
    sys.stderr.write(f"{line}\n")
    raise SystemExit(2)
