"""What an older release saved is for push, too, and going back leaves what that release knows."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from alembic import command

from chassis.migrating import alembic_config, migrate
from template_service.migrating import ALEMBIC

PARTS = "subject, html, text, title, body, image, link, required, serves_email, serves_push"
ROWS = [
    (1, "'S', '<p>x', '', '', '', '', '', '{}', true, false"),
    (2, "'', '', '', 'T', 'B', '', '', '{}', false, true"),
    (3, "'S', '<p>x', '', 'T', '', '', '', '{}', true, true"),
]


@pytest.fixture
async def empty_database(postgres_url: str) -> AsyncIterator[str]:
    name, server = f"template_service_{uuid4().hex}", postgres_url.format(database="postgres").replace("+asyncpg", "")
    connection = await asyncpg.connect(server)
    await connection.execute(f'CREATE DATABASE "{name}"')
    yield postgres_url.format(database=name)
    await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()


async def test_an_older_template_for_email_can_be_pushed_after_the_upgrade(empty_database) -> None:
    await migrate(ALEMBIC, empty_database, "0001")
    connection = await asyncpg.connect(empty_database.replace("+asyncpg", ""))
    try:
        await connection.execute("INSERT INTO templates (code, name, default_language) VALUES ('t', 'T', 'en')")
        await connection.execute("INSERT INTO template_languages SELECT id, 'en', 3, 1 FROM templates")
        for number, values in ROWS:
            insert = f"INSERT INTO template_versions (template_id, language, version, {PARTS}) "
            await connection.execute(f"{insert} SELECT id, 'en', {number}, {values} FROM templates")
        await migrate(ALEMBIC, empty_database)
        served = "SELECT serves_email, serves_push, channels, link_schemes FROM template_versions ORDER BY version"
        assert [tuple(row) for row in await connection.fetch(served)] == [
            (True, True, [], []),
            (False, True, [], []),
            (True, True, [], []),
        ]
        await asyncio.to_thread(command.downgrade, alembic_config(ALEMBIC, empty_database), "0001")
        back = "SELECT serves_email, serves_push FROM template_versions ORDER BY version"
        assert [tuple(row) for row in await connection.fetch(back)] == [(True, False), (False, True), (True, True)]
    finally:
        await connection.close()
