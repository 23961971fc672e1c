"""The migrations make exactly the models' tables, forth and back."""

import asyncio
from pathlib import Path
from uuid import uuid4

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect, text
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


async def test_a_device_belongs_to_the_user_who_registered_it_last(databases) -> None:
    """As a database of the previous release holds them."""
    url = await databases(ALEMBIC)
    await _alembic(url, command.downgrade, "0001")
    ada, bob, cem = (str(uuid4()) for _ in range(3))
    devices = [
        ("shared", ada, "2026-01-01"),
        ("shared", bob, "2026-03-01"),
        ("shared", cem, "2026-02-01"),
        ("of-ada", ada, "2026-01-01"),
        ("https://push.example/x", cem, "2026-01-01"),
        ("https://push.example/x", ada, "2026-01-02"),
    ]
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for user in (ada, bob, cem):
            await connection.execute(
                text(
                    "INSERT INTO users (id, name, email, email_key, password_hash, role)"
                    " VALUES (CAST(CAST(:id AS text) AS uuid), 'x', :id, :id, 'x', 'user')"
                ),
                {"id": user},
            )
        for token, user, day in devices:
            await connection.execute(
                text(
                    "INSERT INTO user_push_tokens (id, user_id, provider, token, created_at)"
                    " VALUES (:id, :user, 'fcm', :token, CAST(CAST(:day AS text) AS timestamptz))"
                ),
                {"id": str(uuid4()), "user": user, "token": token, "day": day},
            )
    await _alembic(url, command.upgrade, "head")
    async with engine.begin() as connection:
        kept = await connection.execute(text("SELECT token, user_id::text FROM user_push_tokens ORDER BY token"))
        assert [tuple(row) for row in kept] == [("https://push.example/x", ada), ("of-ada", ada), ("shared", bob)]
    await engine.dispose()


async def _alembic(url: str, step, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(ALEMBIC))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    await asyncio.to_thread(step, config, revision)
