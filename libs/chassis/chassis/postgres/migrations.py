"""Runs a service's migrations. Import it only where a migration runs: importing Alembic takes 0.3 s."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, pool
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.postgres.connecting import Connector
from chassis.postgres.database import is_unavailable

CONNECT_SECONDS = 10.0  # at each server


def alembic_config(folder: Path, url: str) -> Config:
    """The configuration of the migrations in `folder` (a service's `alembic/`), for the database at `url`."""
    config = Config()
    for name, value in {"script_location": str(folder), "sqlalchemy.url": url}.items():
        config.set_main_option(name, value.replace("%", "%%"))  # Alembic interpolates values
    return config


async def migrate(folder: Path, url: str, revision: str = "head") -> None:
    """Migrates the database at `url` to `revision` ("base" removes everything)."""
    config = alembic_config(folder, url)
    move = command.downgrade if revision == "base" else command.upgrade
    await asyncio.to_thread(move, config, revision)


# The body of every service's `alembic/env.py`: one call, `run_migrations(metadata, version_table, url)`.
#
# Each service has its own version table and looks only at its own tables, so a small installation may keep several services
# in one database (one `DATABASE_URL` in `.env`).

# An arbitrary number, the same for all services: replicas that start together migrate one after another.
MIGRATION_LOCK = 7_405_133


def run_migrations(metadata: MetaData, version_table: str, url: Callable[[], str]) -> None:
    """`url` is called only if the configuration names no database (when the `alembic` command runs directly).

    If the database is down or answers "not now", raises CommandError, which `alembic` prints in one line.
    """
    given = context.config.get_main_option("sqlalchemy.url") or url()
    if context.is_offline_mode():
        context.configure(url=given, target_metadata=metadata, version_table=version_table, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    try:
        asyncio.run(_online(metadata, version_table, given))
    except Exception as error:
        if not isinstance(error, OSError) and not is_unavailable(error):
            raise
        raise CommandError(f"The database that DATABASE_URL names cannot be used now: {_first_line(error)}") from error


async def _online(metadata: MetaData, version_table: str, url: str) -> None:
    connector = Connector(url, seconds=CONNECT_SECONDS)
    engine = create_async_engine(url, poolclass=pool.NullPool, async_creator=connector.connect)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate, metadata, version_table)
            await connection.commit()
    finally:
        await engine.dispose()


def _migrate(connection: Connection, metadata: MetaData, version_table: str) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_lock({MIGRATION_LOCK})")
    connection.commit()
    try:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            version_table=version_table,
            include_name=_only(metadata),
            compare_server_default=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()
        connection.exec_driver_sql(f"SELECT pg_advisory_unlock({MIGRATION_LOCK})")


def _first_line(error: Exception) -> str:
    """The first line of the message, without the statement that SQLAlchemy adds."""
    said = str(error.orig if isinstance(error, DBAPIError) else error) or type(error).__name__
    return said.splitlines()[0]


def _only(metadata: MetaData) -> Callable[..., bool]:
    def include(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "table" or name in metadata.tables

    return include
