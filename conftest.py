"""The servers that tests run on.

At a desk they are embedded (PostgreSQL from the wheel, fakeredis, the in-process broker) and what only a real server can
show is skipped. With `CI=true` nothing is skipped: `TEST_DATABASE_URL`, `TEST_REDIS_URL` and `TEST_RABBITMQ_URL` must
name real servers (`make test` starts them), and a missing one is an error.
"""

import asyncio
import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from aiohttp import ClientTimeout
from fakeredis import FakeAsyncRedis
from fastapi.routing import _IncludedRouter
from redis.asyncio import Redis
from starlette.routing import BaseRoute

import console  # noqa: F401 - before pytest sees its folder, which has the same name and is no package
from chassis.http import client as http_client
from chassis.observability.correlation import add_ids
from chassis.postgres import database
from chassis.redis import client as redis_client
from chassis.redis import pace
from devstack.postgres import start_postgres
from testkit.databases import Content, KeptDatabases
from testkit.quiet import close_when_quiet

pytest_plugins = ["tests.leaks.plugin"]

SLOW_MACHINE_SECONDS = 30.0  # on a busy machine a server that is there may take seconds to answer

# structlog's own default draws every traceback with its variables: seconds each, and hundreds of them in some tests.
structlog.configure(
    processors=[
        add_ids,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(),
    ]
)


built_by_fastapi = _IncludedRouter._build_effective_context  # noqa: SLF001 - there is no other place to keep routes


@pytest.fixture(scope="session", autouse=True)
def _routes_are_built_once() -> Iterator[None]:
    """FastAPI builds a router's routes anew for each app that includes it. Tests start thousands of apps."""

    def build(router: _IncludedRouter, route: BaseRoute) -> object:
        how = replace(router.include_context, dependency_overrides_provider=None)
        built = vars(route).setdefault("built", [])
        known = next((context for same, context in built if same == how), None)
        if known is None:
            known = built_by_fastapi(router, route)
            built.append((how, known))
        return known

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_IncludedRouter, "_build_effective_context", build)
        yield


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What was imported and collected stays. To look through it for garbage again and again was a tenth of the time."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


OWN_FOLDER = pytest.StashKey[Path]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Each run has a folder of its own for `tmp_path`. The one that pytest's runs share is closed to other users, of whom
    PostgreSQL's is one, whenever another run begins.
    """
    if config.option.basetemp is None:
        config.stash[OWN_FOLDER] = Path(tempfile.mkdtemp(prefix="pytest-"))
        config.option.basetemp = config.stash[OWN_FOLDER] / "tmp"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """What failed can be looked at."""
    if exitstatus == pytest.ExitCode.OK and OWN_FOLDER in session.config.stash:
        shutil.rmtree(session.config.stash[OWN_FOLDER], ignore_errors=True)


def real_server(variable: str) -> str | None:
    """The address in `variable`, or None at a desk; with CI=true a missing one fails the test."""
    address = os.environ.get(variable)
    if not address and os.environ.get("CI") == "true":
        pytest.fail(f"{variable} is not set: in CI every test runs on real servers")
    return address


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server's address with `{database}` in it."""
    given = real_server("TEST_DATABASE_URL")
    if given:
        yield given.rsplit("/", 1)[0] + "/{database}"
        return
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        server = asyncio.run(start_postgres(Path(folder) / "data"))
        yield server.url("{database}")
        asyncio.run(server.close())


Databases = Callable[[Content | None], Awaitable[str]]


@pytest.fixture(scope="session")
def kept_databases(postgres_url: str) -> Iterator[KeptDatabases]:
    kept = KeptDatabases(postgres_url)
    yield kept
    asyncio.run(kept.close())


@pytest.fixture
async def databases(
    postgres_url: str, kept_databases: KeptDatabases, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Databases]:
    """Gives databases without rows: `url = await databases(alembic_folder)`, or None for an empty one."""
    monkeypatch.setattr(database, "CONNECT_SECONDS", SLOW_MACHINE_SECONDS)
    patient = ClientTimeout(
        total=SLOW_MACHINE_SECONDS, sock_connect=SLOW_MACHINE_SECONDS, sock_read=http_client.TIMEOUT.sock_read
    )
    monkeypatch.setattr(http_client, "TIMEOUT", patient)
    monkeypatch.setenv("PGSSLMODE", "disable")  # there is no TLS; to try it costs each connection 2 ms
    taken: list[str] = []

    async def take(content: Content | None = None) -> str:
        taken.append(await kept_databases.take(content))
        return postgres_url.format(database=taken[-1])

    yield take
    for name in taken:
        await kept_databases.give_back(name)


@pytest.fixture
async def redis(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Redis]:
    """An empty Redis: a real one when TEST_REDIS_URL names it, fakeredis at a desk.

    Its answers are waited for: what goes on without Redis counts from zero.
    """
    monkeypatch.setattr(redis_client, "CALL_SECONDS", SLOW_MACHINE_SECONDS)
    monkeypatch.setattr(pace, "ANSWER_SECONDS", SLOW_MACHINE_SECONDS)
    address = real_server("TEST_REDIS_URL")
    client: Redis = Redis.from_url(address) if address else FakeAsyncRedis()
    await client.flushdb()
    yield client
    await client.flushdb()
    await close_when_quiet(client)


@pytest.fixture
def rabbitmq_url() -> str:
    """A real RabbitMQ; skipped at a desk without one."""
    address = real_server("TEST_RABBITMQ_URL")
    if not address:
        pytest.skip("TEST_RABBITMQ_URL names no RabbitMQ")
    return address
