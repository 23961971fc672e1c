"""One running system for all end-to-end tests."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import asyncpg
import pytest

from conftest import real_server
from tests.e2e.system import MODULES, System
from tests.servers.rabbitmq import RabbitServer

TEMPLATE = {
    "code": "welcome", "name": "Welcome", "language": "en", "subject": "Hello {{ name }}",
    "content": "<p>Hello {{ name }}, <a href='{{ link }}'>open</a></p>",
    "title": "Hi {{ name }}", "body": "Look at this", "link": "{{ link }}",
}  # fmt: skip


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Five processes on real PostgreSQL and Redis, and on a RabbitMQ of its own that tests may stop."""
    database, redis = real_server("TEST_DATABASE_URL"), real_server("TEST_REDIS_URL")
    if not database or not redis:
        pytest.skip("the end-to-end tests need real servers: CI=true make test")
    folder = tmp_path_factory.mktemp("system")
    databases = asyncio.run(_make_databases(database))
    rabbit = RabbitServer(folder / "rabbitmq")
    rabbit.start()
    running = System(folder, databases, redis, rabbit)
    try:
        running.start()
        running.call("POST", "/templates/", TEMPLATE)
        yield running
        statuses = running.stop()
        assert set(statuses.values()) == {0}, f"a service did not end well on SIGTERM: {statuses} (see {folder})"
    finally:
        running.stop()
        rabbit.stop()


async def _make_databases(address: str) -> dict[str, str]:
    base = address.rsplit("/", 1)[0]
    connection = await asyncpg.connect(address.replace("+asyncpg", ""))
    names = {service: f"e2e_{service.replace('-', '_')}_{uuid4().hex[:8]}" for service in MODULES}
    try:
        for name in names.values():
            await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return {service: f"{base}/{name}" for service, name in names.items()}


@pytest.fixture
def user(system: System) -> str:
    """A new user, unknown to every cache."""
    person = {"name": "Ada", "email": f"ada.{uuid4().hex}@example.com", "password": uuid4().hex,
              "push_token": f"device-{uuid4().hex}", "preferences": {"email": True, "push": True}}  # fmt: skip
    return str(system.call("POST", "/users/", person)["id"])
