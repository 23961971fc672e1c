"""OpenTelemetry tracing, an option: one trace from a client's request to the provider and back to the status.

Off it is nothing: `OFF` has no tracer, no middleware is added, no broker is wrapped, the SDK is not imported. A process's
entry point decides (`tracing_from_environment`) and its composition root hands the `Tracing` to the parts; OpenTelemetry's
process-wide provider is left alone, so that several services of one process can each have their own.
"""

from chassis.tracing.broker import traced
from chassis.tracing.context import TRACEPARENT, headers_of, recorded_context, trace_context, trace_headers
from chassis.tracing.environment import tracing_from_environment
from chassis.tracing.spans import OFF, UNTRACED, Tracing, calling, failed, span

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
    "traced",
    "tracing_from_environment",
]
