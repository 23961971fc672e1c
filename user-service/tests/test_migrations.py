"""The migrations make exactly the models' tables, forth and back."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.database import migrate
from user_service.models import Base

ALEMBIC = Path(__file__).parent.parent / "alembic"
VERSION = "alembic_version_user_service"


async def _look(url: str, look):
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found = await connection.run_sync(look)
    await engine.dispose()
    return found


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


def _constraints(connection: Connection) -> set[str]:
    inspector = inspect(connection)
    return {str(check["name"]) for table in Base.metadata.tables for check in inspector.get_check_constraints(table)}


def _differences(connection: Connection) -> list:
    options = {"version_table": VERSION, "compare_type": True, "compare_server_default": True}
    return compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)


async def test_they_go_up_down_and_up(databases) -> None:
    url = await databases(None)
    await migrate(ALEMBIC, url)
    assert await _look(url, _tables) == {*Base.metadata.tables, VERSION}
    await migrate(ALEMBIC, url, "base")
    assert await _look(url, _tables) == {VERSION}
    await migrate(ALEMBIC, url)
    assert await _look(url, _differences) == []


async def test_checks_are_the_same_as_in_the_models(databases) -> None:
    named = {
        str(constraint.name)
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if str(constraint.name).startswith("ck_")
    }
    assert await _look(await databases(ALEMBIC), _constraints) == named
