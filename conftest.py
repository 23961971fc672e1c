"""The servers that tests run on.

At a desk they are embedded (PostgreSQL from the wheel, fakeredis, the in-process broker) and what only a real server can
show is skipped. With `CI=true` nothing is skipped: `TEST_DATABASE_URL`, `TEST_REDIS_URL` and `TEST_RABBITMQ_URL` must
name real servers (`make test` starts them), and a missing one is an error.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import structlog
from aiohttp import ClientTimeout
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

import console  # noqa: F401 - before pytest sees its folder, which has the same name and is no package
from chassis.http import client as http_client
from chassis.observability.correlation import add_ids
from chassis.postgres import database
from chassis.postgres.migrations import migrate
from chassis.redis import client as redis_client
from chassis.redis import pace
from devstack.postgres import start_postgres
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


Databases = Callable[[Path | None], Awaitable[str]]


@pytest.fixture(scope="session")
def migrated_templates() -> dict[Path, str]:
    """Alembic folder → name of a database with its migrations applied, from which tests' databases are copied."""
    return {}


@pytest.fixture
async def databases(
    postgres_url: str, migrated_templates: dict[Path, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Databases]:
    """Makes fresh databases: `url = await databases(alembic_folder)`, or None for an empty one. Dropped afterwards."""
    monkeypatch.setattr(database, "CONNECT_SECONDS", SLOW_MACHINE_SECONDS)
    patient = ClientTimeout(
        total=SLOW_MACHINE_SECONDS, sock_connect=SLOW_MACHINE_SECONDS, sock_read=http_client.TIMEOUT.sock_read
    )
    monkeypatch.setattr(http_client, "TIMEOUT", patient)
    made: list[str] = []

    async def make(folder: Path | None = None) -> str:
        name = f"test_{uuid4().hex}"
        if folder is not None and folder not in migrated_templates:
            template = f"template_{uuid4().hex}"
            await _run(postgres_url, f'CREATE DATABASE "{template}"')
            await migrate(folder, postgres_url.format(database=template))
            migrated_templates[folder] = template
        copied = f' TEMPLATE "{migrated_templates[folder]}"' if folder is not None else ""
        await _run(postgres_url, f'CREATE DATABASE "{name}"{copied}')
        made.append(name)
        return postgres_url.format(database=name)

    yield make
    for name in made:
        await _run(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _run(address: str, statement: str) -> None:
    connection = await asyncpg.connect(address.format(database="postgres").replace("+asyncpg", ""))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


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
