"""One notification is one trace, through the gateway, the queue and the worker to the provider and back."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from starlette.responses import Response

import api_gateway.main
import api_gateway.settings
import email_service.settings
import email_service.worker
from api_gateway.settings import GatewaySettings
from chassis.broker import MemoryBroker
from chassis.http.app import ServiceDescription, create_service_app
from chassis.http.envelope import answer
from chassis.observability.metrics import new_registry
from chassis.observability.tracing import OFF, Tracing
from chassis.security import SigningKey, sign
from chassis.settings import ServiceSettings
from contracts.callers import ACCESS_AUDIENCE, ACCESS_ISSUER
from contracts.recipients import Preferences
from contracts.templates import ActiveTemplate, TemplateInfo, TemplateQuestion
from contracts.topology import TOPOLOGY
from contracts.users import UserContact, UserQuestion
from devstack.serving import serving
from devstack.simulators.magic import Faults
from devstack.simulators.smtp import SmtpSimulator
from devstack.simulators.store import Inbox
from email_service.settings import EmailSettings
from testkit.eventually import eventually

KEY = "a-secret-key-for-the-tests-of-tracing"
CLIENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = int(CLIENT[3:35], 16)
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PRIVATE = ("Lovelace", "Countess", "hunter2", "secret=", "Bearer", "eyJ")
TEMPLATE = TemplateInfo(
    code="welcome", version=1, language="en", required=("name",), serves_email=True, serves_push=False,
    subject="Hello {{ name }}", html="<p>{{ name }}</p>",
)  # fmt: skip


@dataclass
class World:
    """Services on embedded parts, whose spans are kept. `headers` is what each message in a queue carried."""

    databases: dict[str, str]
    redis: object
    peers_url: str
    smtp_port: int
    inbox: Inbox
    kept: InMemorySpanExporter
    stack: contextlib.AsyncExitStack
    broker: MemoryBroker
    users: dict[UUID, UserContact]
    headers: list[dict[str, object]] = field(default_factory=list)

    def tracing(self, service: str) -> Tracing:
        return _tracing(service, self.kept)

    async def gateway(self, tracing: Tracing, **changes: object) -> httpx2.AsyncClient:
        settings = GatewaySettings(
            **{
                "_env_file": None, "database_url": self.databases["gateway"], "algorithm": "HS256", "secret_key": KEY,
                "user_service_url": self.peers_url, "template_service_url": self.peers_url,
                "relay_interval_seconds": 0.05, "deferred_retry_seconds": 0.1, **changes,
            }
        )  # fmt: skip
        app = api_gateway.main.create_app(settings, redis=self.redis, broker=self.broker, tracing=tracing)
        await self.stack.enter_async_context(app.router.lifespan_context(app))
        transport = httpx2.ASGITransport(app=app)
        http = httpx2.AsyncClient(transport=transport, base_url="http://gateway", headers=_admin())
        http.app = app
        return await self.stack.enter_async_context(http)

    async def worker(self, tracing: Tracing) -> None:
        settings = EmailSettings(
            _env_file=None, database_url=self.databases["email"], user_service_url=self.peers_url,
            template_service_url=self.peers_url, smtp_host="127.0.0.1", smtp_port=self.smtp_port,
            retry_base_seconds=0.05, sweep_interval_seconds=0.05, drain_seconds=1,
        )  # fmt: skip
        app = email_service.worker.create_app(settings, redis=self.redis, broker=self.broker, tracing=tracing)
        await self.stack.enter_async_context(app.router.lifespan_context(app))

    async def send(self, gateway: httpx2.AsyncClient, email: str = "ada@example.com", **changes: object) -> str:
        user = UserContact(id=uuid4(), name="Ada Lovelace", email=email, preferences=Preferences())
        self.users[user.id] = user
        body = {"notification_type": "email", "user_id": str(user.id), "template_code": "welcome",
                "variables": {"name": "Countess"}, **changes}  # fmt: skip
        path = "/api/v1/notifications/?secret=hunter2"
        answered = await gateway.post(path, json=body, headers={"traceparent": CLIENT})
        assert answered.status_code == 202, answered.text
        return str(answered.json()["data"]["notification_id"])

    def spans(self) -> list[ReadableSpan]:
        return list(self.kept.get_finished_spans())

    async def finished(self, name: str, times: int = 1) -> None:
        await eventually(lambda: sum(span.name == name for span in self.spans()) >= times)


class Watched(MemoryBroker):
    """The in-process broker, with a look at what is published."""

    def __init__(self, headers: list[dict[str, object]]) -> None:
        super().__init__(TOPOLOGY)
        self._headers = headers

    async def publish_many(self, publications):
        self._headers += [dict(publication.headers) for publication in publications]
        return await super().publish_many(publications)


def _tracing(service: str, kept: InMemorySpanExporter) -> Tracing:
    provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    return Tracing.by(provider)


def _admin() -> dict[str, str]:
    now = int(time.time())
    claims = {"sub": str(UUID(int=1)), "iss": ACCESS_ISSUER, "aud": ACCESS_AUDIENCE, "iat": now, "exp": now + 600,
              "jti": str(uuid4()), "role": "admin", "scopes": []}  # fmt: skip
    return {"Authorization": f"Bearer {sign(claims, SigningKey('shared', 'HS256', KEY))}"}


def _peers(users: dict[UUID, UserContact], tracing: Tracing) -> FastAPI:
    """The user and the template service, as far as they are asked, traced as every service is."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    app = create_service_app(
        ServiceDescription("peers", "Peers", "What is looked up"), ServiceSettings(_env_file=None),
        registry=new_registry(), dependencies=[], lifespan=lifespan, tracing=tracing,
    )  # fmt: skip

    @app.post("/internal/users/find")
    async def find_users(question: UserQuestion) -> Response:
        return answer({"users": {str(one): users[one] for one in question.ids}})

    @app.post("/internal/templates/find")
    async def find_templates(question: TemplateQuestion) -> Response:
        active = {
            code: ActiveTemplate(code=code, default_language="en", languages={"en": TEMPLATE})
            for code in question.active
        }
        return answer({"active": active, "outlines": {}, "whole": {str(ref): TEMPLATE for ref in question.whole}})

    return app


@pytest.fixture
async def world(databases, redis) -> AsyncIterator[World]:
    urls = {
        "gateway": await databases(api_gateway.settings.ALEMBIC),
        "email": await databases(email_service.settings.ALEMBIC),
    }
    kept, inbox, users, headers = InMemorySpanExporter(), Inbox(), {}, []
    async with contextlib.AsyncExitStack() as stack:
        simulator = SmtpSimulator(inbox, faults=Faults())
        await simulator.start()
        stack.push_async_callback(simulator.close)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        await stack.enter_async_context(serving(_peers(users, _tracing("peers", kept)), listener, grace_seconds=1))
        yield World(
            urls, redis, f"http://127.0.0.1:{listener.getsockname()[1]}", simulator.port, inbox, kept, stack,
            Watched(headers), users, headers,
        )  # fmt: skip


def _tree(spans: list[ReadableSpan]) -> set[tuple[str, str | None]]:
    """ "service: span" and its parent, of the same form; the client's own span is "client"."""
    names = {span.context.span_id: f"{span.resource.attributes['service.name']}: {span.name}" for span in spans}
    names[int(CLIENT[36:52], 16)] = "client"
    return {(names[span.context.span_id], names[span.parent.span_id] if span.parent else None) for span in spans}


async def test_one_notification_is_one_trace_from_the_client_to_the_provider_and_back(world: World) -> None:
    gateway = await world.gateway(world.tracing("api-gateway"))
    await world.worker(world.tracing("email-service"))
    notification_id = await world.send(gateway)
    await world.finished("process status.queue")
    spans = world.spans()
    assert {span.context.trace_id for span in spans} == {TRACE}
    accepted, worked = "api-gateway: POST /api/v1/notifications", "email-service: process email.queue"
    assert _tree(spans) == {
        (accepted, "client"),
        ("api-gateway: POST user-service", accepted),
        ("api-gateway: POST template-service", accepted),
        ("peers: POST /internal/users/find", "api-gateway: POST user-service"),
        ("peers: POST /internal/templates/find", "api-gateway: POST template-service"),
        ("api-gateway: publish email.queue", accepted),
        (worked, "api-gateway: publish email.queue"),
        ("email-service: POST template-service", worked),
        ("peers: POST /internal/templates/find", "email-service: POST template-service"),
        ("email-service: send email", worked),
        ("email-service: publish status.queue", worked),
        ("api-gateway: process status.queue", "email-service: publish status.queue"),
    }
    [send] = [span for span in spans if span.name == "send email"]
    assert dict(send.attributes) == {
        "messaging.message.id": notification_id,
        "notification.type": "email",
        "notification.attempt": 1,
        "notification.outcome": "Sent",
    }
    assert "traceparent" not in next(iter(world.inbox.emails)).raw.decode().lower()


async def test_what_a_relay_publishes_belongs_to_the_trace_it_was_accepted_in(world: World) -> None:
    dead = await world.gateway(world.tracing("dead"), lease_seconds=0.3, relay_interval_seconds=1_000)
    dead.app.state.gateway.outbox.offer = lambda *_: None  # it dies between its commit and its publishing
    living = await world.gateway(world.tracing("living"))
    leased = await world.send(dead)
    later = await world.send(living, send_at=(datetime.now(UTC) + timedelta(seconds=0.3)).isoformat())
    await world.finished("publish email.queue", times=2)
    published = [span for span in world.spans() if span.name == "publish email.queue"]
    assert {span.attributes["messaging.message.id"] for span in published} == {leased, later}
    assert {span.resource.attributes["service.name"] for span in published} == {"living"}
    accepted = {span.context.span_id for span in world.spans() if span.name == "POST /api/v1/notifications"}
    assert {span.context.trace_id for span in published} == {TRACE}
    assert {span.parent.span_id for span in published} == accepted


async def test_every_retry_belongs_to_the_trace_and_says_which_attempt_it_is(world: World) -> None:
    gateway = await world.gateway(world.tracing("api-gateway"))
    await world.worker(world.tracing("email-service"))
    await world.send(gateway, "defer-2@example.com")
    await world.finished("send email", times=3)
    sends = [span for span in world.spans() if span.name == "send email"]
    assert {span.context.trace_id for span in sends} == {TRACE}
    assert [(span.attributes["notification.attempt"], span.attributes["notification.outcome"]) for span in sends] == [
        (1, "RetryLater"), (2, "RetryLater"), (3, "Sent"),
    ]  # fmt: skip
    assert [span.status.status_code for span in sends] == [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET]
    assert [span.attributes.get("error.type") for span in sends] == ["deferred", "deferred", None]
    rounds = [span.context.span_id for span in world.spans() if span.name == "process email.queue"]
    requeued = [span for span in world.spans() if span.name == "publish email.queue"][1:]
    assert [span.parent.span_id for span in requeued] == rounds[:2]  # each below the attempt that it repeats


@pytest.mark.parametrize("address", ["ada@example.com", "bounce@example.com", "drop@example.com"])
async def test_no_span_tells_an_address_a_name_a_variable_a_query_or_a_token(world: World, address: str) -> None:
    gateway = await world.gateway(world.tracing("api-gateway"))
    await world.worker(world.tracing("email-service"))
    await world.send(gateway, address)
    await world.finished("process status.queue")
    told = "\n".join(span.to_json() for span in world.spans())
    secrets = [
        address,
        address.split("@", maxsplit=1)[0] + "@",
        "Lovelace",
        "Countess",
        "hunter2",
        "secret=",
        "Bearer",
        "eyJ",
    ]
    assert [secret for secret in secrets if secret in told] == []


async def test_without_tracing_no_message_carries_a_header_and_no_row_a_context(world: World) -> None:
    gateway = await world.gateway(OFF)
    await world.worker(OFF)
    await world.send(gateway, "defer-1@example.com")
    await eventually(lambda: world.inbox.emails.total == 1 and len(world.headers) >= 4)
    assert {name for headers in world.headers for name in headers} == {"requeued"}
    for database, table in (("gateway", "notifications"), ("email", "email_deliveries")):
        connection = await asyncpg.connect(world.databases[database].replace("+asyncpg", ""))
        try:
            assert await connection.fetchval(f"SELECT array_agg(trace_context) FROM {table}") == [None]
        finally:
            await connection.close()


@pytest.mark.parametrize(("environment", "imported"), [({}, False), ({ENDPOINT: "http://127.0.0.1:9"}, True)])
def test_the_sdk_is_imported_only_when_an_endpoint_is_set(environment: dict[str, str], imported: bool) -> None:
    """In a process of its own: in this one the SDK is there for the tests.

    Of the SDK's tracing: the Redis client imports its metrics wherever it finds it installed.
    """
    program = """
import sys
import api_gateway.main, email_service.worker, push_service.worker, template_service.main, user_service.main
from api_gateway.settings import GatewaySettings
from chassis.observability.tracing import tracing_from_environment
app = api_gateway.main.create_app(GatewaySettings(_env_file=None), tracing=tracing_from_environment("api-gateway"))
assert app.router is not None
print(any(name.startswith(("opentelemetry.sdk.trace", "opentelemetry.exporter")) for name in sys.modules))
"""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=clean | environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip()) == (0, str(imported)), done.stderr
