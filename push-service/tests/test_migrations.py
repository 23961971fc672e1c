"""The migrations lead to the models, and back to nothing."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.database import migrate
from push_service.migrating import ALEMBIC
from push_service.models import Base

VERSION = "alembic_version_push_service"


def differences(connection: Connection) -> list[object]:
    options = {"compare_server_default": True, "compare_type": True, "version_table": VERSION}
    return compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def test_the_migrations_go_up_and_down_and_up_and_agree_with_the_models(databases) -> None:
    url = await databases(None)
    engine = create_async_engine(url)
    await migrate(ALEMBIC, url)
    await migrate(ALEMBIC, url, "base")
    async with engine.connect() as connection:
        assert await connection.run_sync(tables) == {VERSION}
    await migrate(ALEMBIC, url)
    async with engine.connect() as connection:
        assert await connection.run_sync(tables) == {VERSION, *Base.metadata.tables}
        assert await connection.run_sync(differences) == []
    await engine.dispose()
