"""The service on a real database, and callers with tokens."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from chassis.postgres.migrations import migrate
from chassis.security import ServiceTokens, SharedSecret, SigningKey, sign
from chassis.security.service_keys import development_key
from contracts.callers import ACCESS_AUDIENCE, ACCESS_ISSUER
from template_service import main
from template_service.models import Base
from template_service.settings import ALEMBIC, TemplateSettings
from tests.openapi.conformance import Conformance

SECRET_KEY = "a-key-for-access-tokens-in-these-tests"
UNREACHABLE = "http://127.0.0.1:9"  # the discard port: nothing listens there
TABLES = tuple(reversed(Base.metadata.sorted_tables))


@pytest.fixture(scope="session")
def migrated_database(postgres_url: str) -> Iterator[str]:
    """One for all tests here: copying a database takes a second, emptying three small tables some milliseconds."""
    name = f"template_service_{uuid4().hex}"
    asyncio.run(execute(postgres_url.format(database="postgres"), f'CREATE DATABASE "{name}"'))
    asyncio.run(migrate(ALEMBIC, postgres_url.format(database=name)))
    yield postgres_url.format(database=name)
    asyncio.run(execute(postgres_url.format(database="postgres"), f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
async def database_url(migrated_database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Empty."""
    monkeypatch.setenv("PGSSLMODE", "disable")  # as `databases` does
    yield migrated_database
    await execute(migrated_database, *(f"DELETE FROM {table.name}" for table in TABLES))


async def execute(address: str, *statements: str) -> None:
    connection = await asyncpg.connect(address.replace("+asyncpg", ""))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def settings(database_url: str) -> TemplateSettings:
    """The user service is down in these tests, unless one says otherwise."""
    return TemplateSettings(
        database_url=database_url,
        algorithm="HS256",
        secret_key=SECRET_KEY,
        user_service_url=UNREACHABLE,
    )


@pytest.fixture
async def app(settings: TemplateSettings, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FastAPI]:
    """With no template: it does not make its own ones, which takes longer than most tests."""
    with monkeypatch.context() as without:
        without.setattr(main, "ensure_system_templates", _no_templates)
        made = main.create_app(settings, redis=redis)
    async with made.router.lifespan_context(made):
        yield made


async def _no_templates(*_: object) -> int:
    return 0


Client = Callable[..., httpx2.AsyncClient]
TokenFor = Callable[..., str]


@pytest.fixture
async def client_with(app: FastAPI) -> AsyncIterator[Client]:
    """Makes clients that send a token."""
    made: list[httpx2.AsyncClient] = []

    def make(token: str = "", served: FastAPI = app) -> httpx2.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx2.ASGITransport(served, raise_app_exceptions=False)
        hooks = {"response": [Conformance(served)]}
        made.append(
            httpx2.AsyncClient(transport=transport, base_url="http://templates", headers=headers, event_hooks=hooks)
        )
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


@pytest.fixture
def admin(client_with: Client, access_token: TokenFor) -> httpx2.AsyncClient:
    return client_with(access_token(role="admin"))


@pytest.fixture
def service(client_with: Client, service_token: TokenFor) -> httpx2.AsyncClient:
    """The gateway or a worker, on internal routes."""
    return client_with(service_token())


@pytest.fixture
def service_token() -> TokenFor:
    return lambda audience="template-service", *, caller="api-gateway": ServiceTokens(development_key(caller)).issue(
        audience
    )


@pytest.fixture
def access_token() -> TokenFor:
    """A user's token with these claims; `key` signs it."""

    def make(key: SigningKey | None = None, **claims: object) -> str:
        now = int(time.time())
        usual = {"iss": ACCESS_ISSUER, "aud": ACCESS_AUDIENCE, "sub": str(uuid4()), "jti": str(uuid4())}
        return sign({**usual, "iat": now, "exp": now + 600, **claims}, key or SharedSecret(SECRET_KEY).signing_key)

    return make


@pytest.fixture
def welcome() -> dict[str, str]:
    return {
        "code": "welcome_email",
        "name": "Welcome",
        "description": "Sent to new users",
        "subject": "Hello {{ name }}",
        "content": "<p>Hello {{ name }}, <a href='{{ link }}'>begin</a></p>",
        "language": "en",
    }
