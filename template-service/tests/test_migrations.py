"""The migrations lead to the models, and back to nothing."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.database import migrate
from template_service.migrating import ALEMBIC
from template_service.models import Base


def differences(connection: Connection) -> list[object]:
    def ours(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "table" or not str(name).startswith("alembic_version")

    options = {"compare_server_default": True, "include_name": ours}
    return compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def test_the_migrations_go_up_and_down_and_up_and_agree_with_the_models(databases) -> None:
    url = await databases(None)
    engine = create_async_engine(url)
    await migrate(ALEMBIC, url)
    await migrate(ALEMBIC, url, "base")
    async with engine.connect() as connection:
        assert await connection.run_sync(tables) == {"alembic_version_template_service"}
    await migrate(ALEMBIC, url)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()
