"""A complete worker: real ledger, in-process broker, FCM's simulator, and stand-ins of the user and template service."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.broker import IncomingMessage, MemoryBroker, Publication
from chassis.errors import ServiceError, Unavailable
from chassis.http.envelope import answer, refusal
from chassis.security import ServiceCallers
from chassis.security.service_keys import development_key
from contracts.messages import NotificationMessage, StatusEvent, StatusEvents, TemplateRef
from contracts.recipients import Preferences, PushRecipient, PushToken, WebPushKeys
from contracts.services import PUSH_SERVICE, TEMPLATE_SERVICE, USER_SERVICE
from contracts.templates import TemplateInfo, TemplateQuestion
from contracts.topology import FAILED_QUEUE, STATUS_QUEUE, TOPOLOGY
from contracts.users import UserContact, UserQuestion
from devstack.simulators.apns.team import KEY_ID, TEAM_ID, TOPIC
from devstack.simulators.run import RunningSimulators
from push_service.settings import ALEMBIC, PushSettings
from push_service.worker import create_app
from testkit.eventually import eventually
from tests.leaks.watch import WATCH
from tests.openapi.conformance import Conformance

KEY = development_key(PUSH_SERVICE)
WITHIN = 20.0


class Noticed(list):
    """A list that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._grown = asyncio.Event()

    def add(self, item: object) -> None:
        self.append(item)
        self._grown.set()

    async def wait_for(self, matching: Callable[[object], bool] = lambda _: True, count: int = 1) -> list:
        async with asyncio.timeout(WITHIN):
            while len(found := [item for item in self if matching(item)]) < count:
                self._grown.clear()
                await self._grown.wait()
        return found


@dataclass
class Services:
    """The user and the template service. `down` names those that answer 500."""

    base_url: str = ""
    users: dict[UUID, UserContact] = field(default_factory=dict)
    templates: dict[str, TemplateInfo] = field(default_factory=dict)
    removed: list[tuple[UUID, str]] = field(default_factory=list)
    down: set[str] = field(default_factory=set)

    def app(self) -> Starlette:
        removal = "/internal/users/{id:uuid}/push-tokens/remove"
        return Starlette(
            routes=[
                Route("/health/live", lambda _request: answer()),
                Route("/internal/users/find", self._users, methods=["POST"]),
                Route(removal, self._remove, methods=["POST"]),
                Route("/internal/templates/find", self._templates, methods=["POST"]),
            ],
            exception_handlers={ServiceError: lambda _request, error: refusal(error)},
        )

    def _admit(self, request: Request, service: str, part: str) -> None:
        ServiceCallers({KEY.public: KEY.service}, service).authenticate(request.headers.get("authorization"))
        if part in self.down:
            raise Unavailable

    async def _users(self, request: Request) -> Response:
        self._admit(request, USER_SERVICE, "users")
        ids = UserQuestion.model_validate_json(await request.body()).ids
        return answer({"users": {str(one): self.users[one] for one in ids if one in self.users}})

    async def _remove(self, request: Request) -> Response:
        self._admit(request, USER_SERVICE, "removals")
        token = (await request.json())["token"]
        user = self.users[request.path_params["id"]]
        self.removed.append((user.id, token))
        kept = tuple(device for device in user.push_tokens if device.token != token)
        self.users[user.id] = user.model_copy(update={"push_tokens": kept})
        return answer({"removed": True})

    async def _templates(self, request: Request) -> Response:
        self._admit(request, TEMPLATE_SERVICE, "templates")
        whole = TemplateQuestion.model_validate_json(await request.body()).whole
        found = {str(ref): self.templates[ref.code] for ref in whole if ref.code in self.templates}
        return answer({"active": {}, "outlines": {}, "whole": found})


class QuietServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    made = Services()
    made.templates["hello"] = TemplateInfo(
        code="hello", version=1, language="en", serves_email=False, serves_push=True,
        title="Hello {{ name }}", body="Your order {{ order }}", link="https://app.example/{{ order }}",
    )  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = QuietServer(uvicorn.Config(made.app(), log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        yield made
        server.should_exit = True
        await task


@dataclass
class World:
    """The worker's surroundings, and short ways to do what tests do often."""

    services: Services
    broker: MemoryBroker
    redis: Redis
    settings: PushSettings
    simulators: RunningSimulators
    events: Noticed = field(default_factory=Noticed)
    dead_letters: Noticed = field(default_factory=Noticed)
    app: FastAPI | None = None

    def user(self, *tokens: str | PushToken, push: bool = True) -> UUID:
        devices = tuple(token if isinstance(token, PushToken) else PushToken(token=token) for token in tokens)
        user = UserContact(
            id=uuid4(), name="Ada", email="ada@example.com", preferences=Preferences(push=push), push_tokens=devices
        )
        self.services.users[user.id] = user
        return user.id

    async def browser(self, name: str) -> PushToken:
        """A browser's subscription at the simulated push service."""
        async with httpx2.AsyncClient() as http:
            made = (await http.get(f"{self.simulators.base_url}/api/web-push/subscriptions/{name}")).json()
        return PushToken(provider="web_push", token=made["endpoint"], keys=WebPushKeys(**made["keys"]))

    def web_push(self) -> dict[str, object]:
        """The settings for the simulated push service."""
        return {
            "vapid_private_key_file": self.simulators.vapid_key,
            "vapid_subject": "mailto:push@example.com",
            "web_push_simulator_url": self.simulators.base_url,
        }

    def apns(self) -> dict[str, object]:
        """The settings for the simulated APNs."""
        return {
            "apns_base_url": self.simulators.apns_url,
            "apns_sandbox_base_url": self.simulators.apns_sandbox_url,
            "apns_private_key_file": self.simulators.apns_key,
            "apns_key_id": KEY_ID,
            "apns_team_id": TEAM_ID,
            "apns_topic": TOPIC,
        }

    def message(self, user: UUID, **changes: object) -> NotificationMessage:
        devices = self.services.users[user].push_tokens or (PushToken(token="of-old"),)
        made = NotificationMessage(
            notification_id=uuid4(),
            request_id=f"request-{uuid4()}",
            correlation_id=f"story-{uuid4()}",
            notification_type="push",
            user_id=user,
            template=TemplateRef(code="hello", version=1, language="en"),
            variables={"name": "Ada", "order": "A-1"},
            recipient=PushRecipient(name="Ada", push_tokens=devices),
            priority=5,
            created_at=datetime.now(UTC),
        )
        return made.model_copy(update=changes)

    async def publish(self, message: NotificationMessage) -> NotificationMessage:
        await self.publish_raw(message.model_dump_json().encode(), str(message.notification_id), message.priority)
        return message

    async def publish_raw(self, body: bytes, message_id: str, priority: int = 5) -> None:
        WATCH.learn(body)
        [outcome] = await self.broker.publish_many([Publication("push", body, message_id, priority=priority)])
        assert outcome is None

    async def notify(self, user: UUID, **changes: object) -> NotificationMessage:
        return await self.publish(self.message(user, **changes))

    def hear(self, body: bytes) -> None:
        for event in StatusEvents.model_validate_json(body).events:
            self.events.add(event)

    async def reported(self, message: NotificationMessage, status: str) -> StatusEvent:
        """The first event with this status."""
        [event, *_] = await self.events.wait_for(
            lambda event: event.notification_id == message.notification_id and event.status == status
        )
        return event

    def detail(self, message: NotificationMessage) -> list[tuple[str, str | None, int]]:
        mine = [event for event in self.events if event.notification_id == message.notification_id]
        return [(event.status, event.code, event.attempts) for event in mine]

    async def ledger(self, message: NotificationMessage) -> list[tuple[str, int, int]]:
        """(state, attempts, ambiguous) of each device."""
        engine = create_async_engine(self.settings.database_url)
        query = text("SELECT state, attempts, ambiguous FROM push_deliveries WHERE notification_id = :id ORDER BY 1")
        async with engine.connect() as connection:
            rows = [tuple(row) for row in await connection.execute(query, {"id": message.notification_id})]
        await engine.dispose()
        return rows

    def metric(self, name: str, /, **labels: str) -> float:
        return self.app.state.metrics.get_sample_value(name, labels) or 0.0

    async def health(self) -> dict:
        transport = httpx2.ASGITransport(self.app)
        hooks = {"response": [Conformance(self.app)]}
        async with httpx2.AsyncClient(transport=transport, base_url="http://push-service", event_hooks=hooks) as http:
            return (await http.get("/health")).json()

    @contextlib.asynccontextmanager
    async def running(self, **changes: object) -> AsyncIterator[None]:
        """The worker, with these settings changed."""
        self.settings = PushSettings(_env_file=None, **(self.settings.model_dump() | changes))
        self.app = create_app(self.settings, redis=self.redis, broker=self.broker)
        async with self.app.router.lifespan_context(self.app):
            yield


@pytest.fixture(name="until")
def until_() -> Callable:
    return eventually


@pytest.fixture
def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
async def world(services: Services, databases, redis: Redis, simulators: RunningSimulators) -> AsyncIterator[World]:
    """No worker yet: `async with world.running(...)`."""
    broker = MemoryBroker(TOPOLOGY, handler_pause=0.05)
    await broker.start()
    settings = PushSettings(
        _env_file=None,
        database_url=await databases(ALEMBIC),
        user_service_url=services.base_url,
        template_service_url=services.base_url,
        max_retries=3,
        retry_base_seconds=0.01,
        down_retry_seconds=0.05,
        breaker_open_seconds=0.2,
        sweep_interval_seconds=0.05,
        heartbeat_seconds=0.5,
        drain_seconds=5,
    )
    made = World(services, broker, redis, settings, simulators)
    watching = [
        await broker.consume(STATUS_QUEUE, _collect(made.hear),
                             prefetch=100),
        await broker.consume(FAILED_QUEUE, _collect(made.dead_letters.add), prefetch=100),
    ]  # fmt: skip
    yield made
    for consumer in watching:
        await consumer.close()
    await broker.close()


def _collect(keep: Callable[[bytes], None]):
    async def handle(incoming: IncomingMessage) -> None:
        keep(incoming.body)
        await incoming.ack()

    return handle


@pytest.fixture
async def working(world: World, simulators) -> AsyncIterator[World]:
    """The worker at work, with FCM's simulator."""
    async with world.running(
        fcm_base_url=simulators.base_url,
        fcm_service_account_file=Path(simulators.service_account),
        **world.web_push(),
        **world.apns(),
    ):
        yield world
