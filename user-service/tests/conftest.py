"""The service on a real PostgreSQL, spoken to over HTTP in process."""

import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI, Request
from httpx2 import ASGITransport, AsyncClient, Response
from redis.asyncio import Redis
from starlette.responses import Response as Answer

from chassis.audit import AuditTrail
from chassis.http.envelope import answer as enveloped
from chassis.postgres.database import Database
from chassis.redis.client import connect_redis
from chassis.security import ServiceCallers, ServiceTokens
from chassis.security.service_keys import development_key
from contracts.erasing import ErasureProgress, ErasureRequest, ExportFindings, ExportQuestion
from contracts.system_mails import SystemMail
from devstack.serving import serving
from testkit.eventually import eventually
from tests.openapi.conformance import Conformance
from user_service.main import create_app
from user_service.repositories import users
from user_service.repositories.audit import audit_trail
from user_service.services import passwords
from user_service.settings import UserSettings

ALEMBIC = Path(__file__).parent.parent / "alembic"
PASSWORD = "correct horse"
UNREACHABLE = "http://127.0.0.1:9"  # the discard port: nothing listens there
PRODUCTION_HASHES = passwords.CONTEXT
QUICK_HASHES = passwords.CONTEXT.copy(argon2__memory_cost=8, argon2__time_cost=1)  # the least that argon2 allows


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Production's hashes take 40 ms of a core each."""
    monkeypatch.setattr(passwords, "CONTEXT", QUICK_HASHES)


@pytest.fixture
def production_hashes(quick_hashes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "CONTEXT", PRODUCTION_HASHES)


def running_client(app: FastAPI, *, address: str = "192.0.2.1") -> AsyncClient:
    return AsyncClient(
        transport=ASGITransport(app, client=(address, 1234), raise_app_exceptions=False),
        base_url="http://user-service",
        event_hooks={"response": [Conformance(app)]},
    )


@dataclass
class World:
    """The running service, and short ways to do what tests do often."""

    app: FastAPI
    http: AsyncClient
    settings: UserSettings
    redis: Redis

    async def sign_up(self, email: str | None = None, **more: object) -> dict:
        body = {"name": "Ada", "email": email or f"{uuid4().hex}@example.com", "password": PASSWORD, **more}
        answer = await self.http.post("/api/v1/users", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]

    async def log_in(self, email: str, password: str = PASSWORD) -> dict:
        answer = await self.try_login(email, password)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def try_login(self, email: str, password: str = PASSWORD, **options: object) -> Response:
        return await self.http.post("/api/v1/auth/login", json={"email": email, "password": password}, **options)

    def seen_from(self, address: str) -> AsyncClient:
        """A client at that address."""
        return running_client(self.app, address=address)

    async def user(self, **more: object) -> "Person":
        user = await self.sign_up(**more)
        login = await self.log_in(user["email"])
        return Person(self, user["id"], user["email"], login["access_token"], login["refresh_token"])

    async def admin(self) -> "Person":
        user = await self.sign_up()
        async with self.database.begin() as connection:
            await users.change(connection, user["id"], {"role": "admin"})
        login = await self.log_in(user["email"])
        return Person(self, user["id"], user["email"], login["access_token"], login["refresh_token"])

    async def api_key(self, *scopes: str) -> "Key":
        admin = await self.admin()
        answer = await admin.call("POST", "/api/v1/api-keys", json={"name": "a program", "scopes": list(scopes)})
        assert answer.status_code == 201, answer.text
        made = answer.json()["data"]
        return Key(self, made["id"], made["key"], made["application_id"], admin)

    @property
    def database(self) -> Database:
        return self.app.state.services.users.database

    @property
    def audit(self) -> AuditTrail:
        return audit_trail(self.settings.secret_key.get_secret_value())

    def metric(self, name: str, **labels: str) -> float:
        return self.app.state.metrics.get_sample_value(name, labels) or 0.0

    def service_headers(self, audience: str = "user-service", *, caller: str = "api-gateway") -> dict[str, str]:
        return {"Authorization": f"Bearer {ServiceTokens(development_key(caller)).issue(audience)}"}


@dataclass
class Person:
    world: World
    id: str
    email: str
    token: str
    refresh_token: str

    @property
    def path(self) -> str:
        return f"/api/v1/users/{self.id}"

    async def call(self, method: str, path: str | None = None, **options: object) -> Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.world.http.request(method, path or self.path, headers=headers, **options)


@dataclass
class Key:
    world: World
    id: str
    key: str
    application_id: str
    owner: Person

    async def call(self, method: str, path: str, **options: object) -> Response:
        return await self.world.http.request(method, path, headers={"X-API-Key": self.key}, **options)


@dataclass
class Gateway:
    """Accepts each mail once and shows it. `refuses`: a status to refuse mails with. `progress` None: no erasing."""

    url: str = ""
    mails: list[SystemMail] = field(default_factory=list)
    refuses: int | None = None
    loses_answers: int = 0
    asked: int = 0
    progress: ErasureProgress | None = field(default_factory=lambda: ErasureProgress(finished=True))
    erased: list[UUID] = field(default_factory=list)
    exported: ExportFindings = field(default_factory=lambda: ExportFindings(notifications=(), more=False))
    questions: list[ExportQuestion] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()
        callers = ServiceCallers(UserSettings(_env_file=None).service_public_keys, "api-gateway")

        @app.post("/internal/erasures")
        async def erase(erasure: ErasureRequest) -> Answer:
            self.erased.append(erasure.user_id)
            return enveloped(self.progress) if self.progress else Answer(status_code=503)

        @app.post("/internal/exports")
        async def export(question: ExportQuestion) -> Answer:
            self.questions.append(question)
            return enveloped(self.exported)

        @app.post("/internal/notifications")
        async def take(mail: SystemMail, request: Request) -> Answer:
            assert callers.authenticate(request.headers["Authorization"]) == "user-service"
            self.asked += 1
            if self.refuses is not None:
                return Answer(status_code=self.refuses)
            if mail.request_id not in {one.request_id for one in self.mails}:
                self.mails.append(mail)
            if self.loses_answers:
                self.loses_answers -= 1
                return Answer(status_code=503)
            return enveloped({}, status=202)

        return app

    def sent_to(self, address: str) -> list[SystemMail]:
        return [mail for mail in self.mails if mail.recipient.email == address]

    async def mail_to(self, address: str, number: int = 1) -> SystemMail:
        """Waits for so many mails to the address, and gives the last."""
        await eventually(lambda: len(self.sent_to(address)) >= number, 20)
        return self.sent_to(address)[-1]


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """For `make_world(api_gateway_url=gateway.url)`; else the gateway is down."""
    made = Gateway()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with serving(made.app(), listener, lifespan="off", grace_seconds=1):
            yield made


MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def make_world(databases, redis: Redis) -> AsyncIterator[MakeWorld]:
    """Starts the service: `await make_world(algorithm="HS256", redis=other)`. Several may share a database by its URL."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(*, redis: Redis = redis, **settings: object) -> World:
            chosen = {"database_url": settings.pop("database_url", None) or await databases(ALEMBIC), **settings}
            options = UserSettings(_env_file=None, **{"api_gateway_url": UNREACHABLE, **chosen})
            app = create_app(options, redis=redis)
            await stack.enter_async_context(app.router.lifespan_context(app))
            http = await stack.enter_async_context(running_client(app))
            return World(app, http, options, redis)

        yield make


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    return await make_world()


@pytest.fixture
async def dead_redis(unused_tcp_port: int) -> AsyncIterator[Redis]:
    """A Redis that is down."""
    client = connect_redis(f"redis://127.0.0.1:{unused_tcp_port}/0")
    yield client
    await client.aclose()
