"""Every service's migrations: up, down and up again, in agreement with the models, alone and all in one database."""

import asyncio

import asyncpg
import pytest
from alembic import command

from chassis.migrating import alembic_config, migrate
from devstack.migrations import disagreement
from devstack.plan import SERVICES
from devstack.stack import ROOT


async def _tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return {
            row["tablename"]
            for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        }
    finally:
        await connection.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_migrations_go_up_down_and_up_and_agree_with_the_models(databases, service: str) -> None:
    url = await databases(None)
    assert await disagreement(service, url) is None
    assert len(await _tables(url)) > 1
    await migrate(ROOT / service / "alembic", url, "base")
    assert await _tables(url) == {f"alembic_version_{service.replace('-', '_')}"}


async def test_all_services_may_share_one_database(databases) -> None:
    url = await databases(None)
    for service in SERVICES:
        await migrate(ROOT / service / "alembic", url)
    for service in SERVICES:
        await asyncio.to_thread(command.check, alembic_config(ROOT / service / "alembic", url))
    for service in SERVICES:
        await migrate(ROOT / service / "alembic", url, "base")
    assert {name for name in await _tables(url) if not name.startswith("alembic_version")} == set()
