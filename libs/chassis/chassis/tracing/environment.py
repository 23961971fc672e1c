"""Tracing as the environment asks for it: OpenTelemetry's own variables, no others.

The SDK reads most of them itself (sampler, headers, timeouts, batch sizes). Here is decided whether there is tracing at
all; the SDK is imported only then.
"""

import os
import sys
import threading
from collections.abc import Mapping
from typing import NoReturn

from chassis.tracing.spans import OFF, Tracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
FLUSH_SECONDS = 5.0  # for the last spans, at the end; against a dead collector the SDK alone takes 30


def tracing_from_environment(service: str, environment: Mapping[str, str] = os.environ) -> Tracing:
    """On when an OTLP endpoint is set. Ends the process with status 2 and one clear line when it cannot be had."""
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
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):  # neither variable names it
        resource = resource.merge(Resource({SERVICE_NAME: service}))
    provider, exporter = TracerProvider(resource=resource, shutdown_on_exit=False), OTLPSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))

    def flush() -> None:
        patience = threading.Timer(FLUSH_SECONDS, exporter.shutdown)
        patience.start()
        provider.shutdown()
        patience.cancel()

    return Tracing.by(provider, flush)


def _stop(line: str) -> NoReturn:
    sys.stderr.write(f"{line}\n")
    raise SystemExit(2)
