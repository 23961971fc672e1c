"""Tracing: no cost when off; when on, one span per operation, with the right parent and without secrets."""

import asyncio
import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx2
import pytest
import structlog
from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.requests import Request
from starlette.responses import Response

from chassis.broker import MemoryBroker, Publication, QueueSpec, Topology
from chassis.broker.tracing import traced
from chassis.errors import DependencyUnavailable
from chassis.http.app import ServiceDescription, create_service_app
from chassis.http.client import ServiceClient
from chassis.http.envelope import answer
from chassis.http.fast_routes import FastRouter
from chassis.observability.correlation import outgoing_headers
from chassis.observability.logs import configure_logs
from chassis.observability.metrics import new_registry
from chassis.observability.tracing import OFF, TRACEPARENT, Tracing, trace_context, tracing_from_environment
from chassis.observability.tracing.spans import span
from chassis.process.breaker import CircuitBreaker
from chassis.security import ServiceTokens
from chassis.security.service_keys import development_key
from chassis.server.run import serve
from chassis.settings import ServiceSettings
from testkit.eventually import wait_until
from testkit.serving import serving

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = SAMPLED[:-1] + "0"
TRACE = int(SAMPLED[3:35], 16)
EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
TOPOLOGY = Topology("things", (QueueSpec("thing.queue", "thing"),))


class Spans:
    """Tracing that keeps its spans in memory."""

    def __init__(self) -> None:
        self._kept = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self.tracing = Tracing.by(provider)

    def all(self) -> list[ReadableSpan]:
        return list(self._kept.get_finished_spans())

    def one(self, name: str) -> ReadableSpan:
        [found] = [span for span in self.all() if span.name == name]
        return found


@pytest.fixture
def spans() -> Spans:
    return Spans()


def _parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def _app(tracing: Tracing) -> FastAPI:
    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    app = create_service_app(
        ServiceDescription("things", "Things", "About things"),
        ServiceSettings(_env_file=None),
        registry=new_registry(),
        dependencies=[],
        lifespan=lifespan,
        tracing=tracing,
    )

    @app.get("/api/v1/things/{name}")
    async def thing(name: str, request: Request) -> Response:
        if name == "broken":
            raise RuntimeError("ada@example.com")
        return answer({"context": trace_context(), "headers": dict(outgoing_headers())})

    router = FastRouter()

    @router.get("/api/fast")
    async def fast_route(request: Request) -> Response:
        raise RuntimeError("ada@example.com")

    app.include_router(router)
    return app


@contextlib.asynccontextmanager
async def _client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://things") as client:
        yield client


# Requests


async def test_a_request_is_one_server_span_below_the_clients(spans) -> None:
    async with _client(_app(spans.tracing)) as http:
        headers = {TRACEPARENT: SAMPLED, "X-Correlation-ID": "correlation-1"}
        answered = await http.get("/api/v1/things/ada@example.com/?token=hunter2", headers=headers)
    [server] = spans.all()
    assert (server.name, server.kind) == ("GET /api/v1/things/{name}", SpanKind.SERVER)
    assert (server.context.trace_id, _parent(server)) == (TRACE, 0xB7AD6B7169203331)
    assert dict(server.attributes) == {
        "http.request.method": "GET",
        "http.route": "/api/v1/things/{name}",
        "http.response.status_code": 200,
        "correlation_id": "correlation-1",
    }
    inside = answered.json()["data"]
    assert inside["context"] == f"00-{TRACE:032x}-{server.context.span_id:016x}-01"
    assert inside["headers"] == {"X-Correlation-ID": "correlation-1", TRACEPARENT: inside["context"]}


@pytest.mark.parametrize("path", ["/health", "/health/", "/health/live", "/health/readiness", "/metrics"])
async def test_health_and_metrics_are_not_traced(spans, path: str) -> None:
    async with _client(_app(spans.tracing)) as http:
        assert (await http.get(path)).status_code == 200
    assert spans.all() == []


@pytest.mark.parametrize("path", ["/api/v1/things/broken", "/api/fast"])
async def test_a_defect_is_an_error_that_names_its_class_and_not_its_message(spans, path: str) -> None:
    async with _client(_app(spans.tracing)) as http:
        assert (await http.get(path)).status_code == 500
    [server] = spans.all()
    assert server.status.status_code is StatusCode.ERROR
    assert (server.attributes["error.type"], server.attributes["http.response.status_code"]) == ("RuntimeError", 500)
    assert "ada@" not in server.to_json()  # "ada" alone may be part of an id


@pytest.mark.parametrize("given", ["", "rubbish", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "00-\xff-1-01"])
async def test_a_malformed_traceparent_begins_a_new_trace(spans, given: str) -> None:
    async with _client(_app(spans.tracing)) as http:
        await http.get("/api/v1/things/a", headers={TRACEPARENT: given.encode("latin-1")})
    [server] = spans.all()
    assert server.parent is None


async def test_an_unsampled_request_makes_no_span_and_forwards_that(spans) -> None:
    async with _client(_app(spans.tracing)) as http:
        answered = await http.get("/api/v1/things/a", headers={TRACEPARENT: UNSAMPLED})
    assert spans.all() == []
    assert answered.json()["data"]["context"].endswith("-00")


async def test_without_tracing_a_clients_traceparent_goes_nowhere() -> None:
    async with _client(_app(OFF)) as http:
        answered = await http.get("/api/v1/things/a", headers={TRACEPARENT: SAMPLED, "X-Correlation-ID": "s"})
    assert answered.json()["data"] == {"context": None, "headers": {"X-Correlation-ID": "s"}}


# Calls to other services


def _calls(url: str, tracing: Tracing) -> ServiceClient:
    return ServiceClient(url, "thing-service", ServiceTokens(development_key("me")), CircuitBreaker("things"), tracing)


async def test_a_call_to_another_service_is_a_client_span_whose_header_the_other_takes_up(spans) -> None:
    other = Spans()
    async with serving(_app(other.tracing)) as url:
        client = _calls(url, spans.tracing)
        with span(spans.tracing.tracer, "work", SpanKind.INTERNAL, {}):
            await client.get("/api/v1/things/ada@example.com", {"q": "hunter2"})
        await client.close()
    call, work = spans.one("GET thing-service"), spans.one("work")
    assert (call.kind, _parent(call)) == (SpanKind.CLIENT, work.context.span_id)
    assert dict(call.attributes) == {"http.request.method": "GET", "peer.service": "thing-service"}
    assert _parent(other.one("GET /api/v1/things/{name}")) == call.context.span_id


async def test_a_service_that_does_not_answer_is_an_error_in_its_client_span(spans, unused_tcp_port) -> None:
    client = _calls(f"http://127.0.0.1:{unused_tcp_port}", spans.tracing)
    with pytest.raises(DependencyUnavailable):
        await client.get("/api/v1/things/a")
    await client.close()
    assert spans.one("GET thing-service").attributes["error.type"] == "DependencyUnavailable"


# Messages


class Taken:
    """What a consumer's handler saw of one message."""

    def __init__(self) -> None:
        self.headers: list[dict[str, object]] = []
        self.contexts: list[str | None] = []
        self.done = asyncio.Event()

    async def handle(self, incoming) -> None:
        self.headers.append(dict(incoming.headers))
        self.contexts.append(trace_context())
        await incoming.ack()
        self.done.set()


async def _drained(broker, publication: Publication, *, handler=None, taken: Taken | None = None) -> Taken:
    """Publishes, and consumes until `taken` has it."""
    taken = taken or Taken()
    await broker.start()
    assert await broker.publish_many([publication]) == [None]
    consumer = await broker.consume("thing.queue", handler or taken.handle, prefetch=10)
    await asyncio.wait_for(taken.done.wait(), 5)
    await consumer.close()
    await broker.close()
    return taken


async def test_a_message_has_a_producer_span_and_below_it_a_consumer_span(spans) -> None:
    broker = traced(MemoryBroker(TOPOLOGY), TOPOLOGY, spans.tracing)
    with span(spans.tracing.tracer, "elsewhere", SpanKind.INTERNAL, {}):
        taken = await _drained(broker, Publication("thing", b"ada", "m-1", headers={TRACEPARENT: SAMPLED, "kept": "1"}))
    producer, consumer = spans.one("publish thing.queue"), spans.one("process thing.queue")
    assert (producer.kind, consumer.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert (producer.context.trace_id, _parent(producer)) == (TRACE, 0xB7AD6B7169203331)
    assert (consumer.context.trace_id, _parent(consumer)) == (TRACE, producer.context.span_id)
    assert taken.headers[0]["kept"] == "1"
    assert taken.contexts == [f"00-{TRACE:032x}-{consumer.context.span_id:016x}-01"]
    assert dict(consumer.attributes) == {
        "messaging.system": "in_process",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "thing.queue",
        "messaging.message.id": "m-1",
    }


async def test_a_message_that_belongs_to_no_trace_begins_one_wherever_it_is_consumed(spans) -> None:
    broker = traced(MemoryBroker(TOPOLOGY), TOPOLOGY, spans.tracing)
    with span(spans.tracing.tracer, "elsewhere", SpanKind.INTERNAL, {}):  # in process, its handler runs in this context
        taken = await _drained(broker, Publication("thing", b"", "m-1"))
    assert taken.headers == [{}]
    assert spans.one("process thing.queue").parent is None


async def test_an_unsampled_message_has_no_span_and_keeps_its_header(spans) -> None:
    broker = traced(MemoryBroker(TOPOLOGY), TOPOLOGY, spans.tracing)
    taken = await _drained(broker, Publication("thing", b"", "m-1", headers={TRACEPARENT: UNSAMPLED}))
    assert spans.all() == []
    assert taken.headers == [{TRACEPARENT: UNSAMPLED}]
    assert taken.contexts[0].endswith("-00")


async def test_a_failed_publication_marks_its_span_as_an_error(spans) -> None:
    broker = traced(MemoryBroker(TOPOLOGY), TOPOLOGY, spans.tracing)
    [outcome] = await broker.publish_many([Publication("thing", b"", "m-1", headers={TRACEPARENT: SAMPLED})])
    assert outcome is not None
    assert spans.one("publish thing.queue").attributes["error.type"] == "BrokerUnavailable"


async def test_a_handler_that_raises_is_an_error(spans) -> None:
    broker = traced(MemoryBroker(TOPOLOGY, handler_pause=0), TOPOLOGY, spans.tracing)
    taken = Taken()

    async def fail_first(incoming) -> None:
        if not incoming.redelivered:
            raise ValueError("ada@example.com")
        await taken.handle(incoming)

    await _drained(broker, Publication("thing", b"", "m-1"), handler=fail_first, taken=taken)
    first = min(spans.all(), key=lambda one: one.start_time)
    assert (first.attributes["error.type"], first.status.status_code) == ("ValueError", StatusCode.ERROR)
    assert "ada@" not in first.to_json()  # "ada" alone may be part of an id


def test_without_tracing_the_broker_is_the_broker_itself() -> None:
    broker = MemoryBroker(TOPOLOGY)
    assert traced(broker, TOPOLOGY, OFF) is broker


# Log lines


def test_a_log_line_names_the_span_it_was_written_in(spans) -> None:
    before, handlers = structlog.get_config(), logging.getLogger().handlers[:]
    stream = _Kept()
    try:
        configure_logs(stream=stream, extra=spans.tracing.log_processors)
        structlog.get_logger().info("outside")
        with span(spans.tracing.tracer, "work", SpanKind.INTERNAL, {}) as work:
            structlog.get_logger().info("inside")
            logging.getLogger("a.library").warning("inside")
    finally:
        structlog.configure(**before)
        logging.getLogger().handlers[:] = handlers
    outside, *inside = (json.loads(line) for line in stream.getvalue().splitlines())
    ids = work.get_span_context()
    assert "trace_id" not in outside
    assert [(line["trace_id"], line["span_id"]) for line in inside] == [
        (f"{ids.trace_id:032x}", f"{ids.span_id:016x}")
    ] * 2
    assert OFF.log_processors == ()


class _Kept(io.BytesIO):
    def close(self) -> None:
        """Stays readable: logging closes its stream at exit."""


# The environment


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_SERVICE_NAME": "things"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318"},
    ],
)
def test_tracing_is_off_without_an_endpoint_or_when_it_is_refused(environment: dict[str, str]) -> None:
    assert tracing_from_environment("things", environment) is OFF


def test_an_endpoint_without_the_sdk_ends_the_process_with_one_line_that_names_the_extra(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, EXPORTER, None)  # as if it were not installed
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    with pytest.raises(SystemExit) as ended:
        serve(ServiceSettings, lambda settings, *, tracing: _app(tracing), "thing-service")
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "OTEL_EXPORTER_OTLP_ENDPOINT is set and the OpenTelemetry SDK is not installed: install thing-service with its "
        "extra `tracing`, or unset the variable\n"
    )


def test_a_protocol_that_is_not_spoken_ends_the_process(capsys) -> None:
    environment = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    with pytest.raises(SystemExit) as ended:
        tracing_from_environment("things", environment)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("OTEL_EXPORTER_OTLP_PROTOCOL: ")


class Collector(BaseHTTPRequestHandler):
    """An OTLP collector that stores what it receives."""

    received: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        self.received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    received: list[tuple[str, bytes]] = []
    with HTTPServer(("127.0.0.1", 0), type("Here", (Collector,), {"received": received})) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "thing-service"),
        ({"OTEL_SERVICE_NAME": "mine"}, "mine"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=mine"}, "mine"),
    ],
)
def test_spans_reach_the_collector_under_the_services_name(collector, monkeypatch, environment, named) -> None:
    url, received = collector
    for name, value in {**environment, "OTEL_EXPORTER_OTLP_ENDPOINT": url, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    tracing = tracing_from_environment("thing-service")
    with span(tracing.tracer, "work", SpanKind.INTERNAL, {}):
        pass
    tracing.flush()
    [(path, body)] = received
    assert path == "/v1/traces"
    [sent] = ExportTraceServiceRequest.FromString(body).resource_spans
    assert {one.key: one.value.string_value for one in sent.resource.attributes}["service.name"] == named
    assert [one.name for one in sent.scope_spans[0].spans] == ["work"]


def test_the_sampler_of_the_environment_is_respected(collector, monkeypatch) -> None:
    url, received = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    tracing = tracing_from_environment("thing-service")
    with span(tracing.tracer, "work", SpanKind.INTERNAL, {}) as work:
        assert not work.is_recording()
    tracing.flush()
    assert received == []


SERVICE = """
import contextlib
from starlette.responses import PlainTextResponse
from chassis.http.app import ServiceDescription, create_service_app
from chassis.observability.metrics import new_registry
from chassis.server.run import serve
from chassis.settings import ServiceSettings

def create_app(settings, *, tracing):
    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield

    app = create_service_app(
        ServiceDescription("things", "Things", "About things"), settings,
        registry=new_registry(), dependencies=[], lifespan=lifespan, tracing=tracing,
    )
    app.get("/things/{name}")(thing)
    return app

async def thing(name: str):
    return PlainTextResponse(name)

serve(ServiceSettings, create_app, "thing-service")
"""


def test_a_stopping_service_sends_its_last_spans(collector, tmp_path, unused_tcp_port) -> None:
    url, received = collector
    own = {"PORT": str(unused_tcp_port), "HOST": "127.0.0.1", "OTEL_EXPORTER_OTLP_ENDPOINT": url}
    patient = {"OTEL_BSP_SCHEDULE_DELAY": "600000"}  # nothing is sent before the end
    process = subprocess.Popen([sys.executable, "-c", SERVICE], env=os.environ | own | patient, cwd=tmp_path)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{unused_tcp_port}", trust_env=False) as http:
            wait_until(lambda: _answers(http, "/health/live"), 60, "the service", every=0.05)
            assert http.get("/things/one").text == "one"
        assert received == []
    finally:
        process.terminate()
        status = process.wait(30)
    assert status == 0
    assert _names(received) == ["GET /things/{name}"]


def _answers(http: httpx2.Client, path: str) -> bool:
    try:
        return http.get(path).is_success
    except httpx2.HTTPError:
        return False


def _names(received: list[tuple[str, bytes]]) -> list[str]:
    requests = [ExportTraceServiceRequest.FromString(body) for _, body in received]
    return [
        one.name
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for one in scope.spans
    ]


def test_a_collector_that_is_down_holds_up_the_end_no_longer_than_the_patience(monkeypatch, unused_tcp_port) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{unused_tcp_port}")
    monkeypatch.setattr("chassis.observability.tracing.spans.FLUSH_SECONDS", 0.2)
    tracing = tracing_from_environment("thing-service")
    with span(tracing.tracer, "work", SpanKind.INTERNAL, {}):
        pass
    began = time.monotonic()
    tracing.flush()
    assert time.monotonic() - began < 3  # the exporter alone tries for ten seconds
