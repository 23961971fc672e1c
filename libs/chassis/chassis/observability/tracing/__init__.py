"""OpenTelemetry tracing, an option: one trace from a client's request to the provider and back to the status.

If tracing is off it costs nothing: `OFF` has no tracer, no middleware is added, no broker is wrapped, the SDK is not
imported. A process's entry point decides (`tracing_from_environment`), and its composition root passes the `Tracing` to the
components. OpenTelemetry's process-wide provider is not used, so several services of one process can each have their own.
"""

from chassis.observability.tracing.context import (
    TRACEPARENT,
    headers_of,
    recorded_context,
    trace_context,
    trace_headers,
)
from chassis.observability.tracing.spans import OFF, UNTRACED, Tracing, calling, failed, span, tracing_from_environment

__all__ = [
    "OFF",
    "TRACEPARENT",
    "UNTRACED",
    "Tracing",
    "calling",
    "failed",
    "headers_of",
    "recorded_context",
    "span",
    "trace_context",
    "trace_headers",
    "tracing_from_environment",
]
