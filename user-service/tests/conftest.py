"""The service on a real PostgreSQL, spoken to over HTTP in process."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response
from redis.asyncio import Redis

from chassis.audit import AuditTrail
from chassis.cache import connect_redis
from chassis.database import Database
from chassis.security import ServiceTokens
from chassis.service_keys import development_key
from tests.openapi.conformance import Conformance
from user_service.main import create_app
from user_service.repositories import users
from user_service.repositories.audit import audit_trail
from user_service.settings import UserSettings

ALEMBIC = Path(__file__).parent.parent / "alembic"
PASSWORD = "correct horse"


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
        return self.app.state.services.users._database

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


MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def make_world(databases, redis: Redis) -> AsyncIterator[MakeWorld]:
    """Starts the service: `await make_world(algorithm="HS256", redis=other)`. Several may share a database by its URL."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(*, redis: Redis = redis, **settings: object) -> World:
            chosen = {"database_url": settings.pop("database_url", None) or await databases(ALEMBIC), **settings}
            options = UserSettings(_env_file=None, **chosen)
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
    """A Redis that is not there."""
    client = connect_redis(f"redis://127.0.0.1:{unused_tcp_port}/0")
    yield client
    await client.aclose()
