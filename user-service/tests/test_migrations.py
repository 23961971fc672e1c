"""The migrations make exactly the models' tables, forth and back."""

from pathlib import Path

from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import create_async_engine

from user_service.models import Base

ALEMBIC = Path(__file__).parent.parent / "alembic"
VERSION = "alembic_version_user_service"


async def _look(url: str, look):
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found = await connection.run_sync(look)
    await engine.dispose()
    return found


def _constraints(connection: Connection) -> set[str]:
    inspector = inspect(connection)
    return {str(check["name"]) for table in Base.metadata.tables for check in inspector.get_check_constraints(table)}


async def test_checks_are_the_same_as_in_the_models(databases) -> None:
    named = {
        str(constraint.name)
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if str(constraint.name).startswith("ck_")
    }
    assert await _look(await databases(ALEMBIC), _constraints) == named
