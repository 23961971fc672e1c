"""The past that `growth` makes up fits the gateway's own schema, adds up, and is of the size that was asked for."""

import asyncio
from pathlib import Path
from uuid import UUID

from bench import rows
from bench.database import Database
from conftest import Databases

ALEMBIC = Path(__file__).resolve().parents[2] / "api-gateway" / "alembic"
INDEXES = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'"


async def test_a_table_of_the_gateways_own_schema_is_filled_and_keeps_its_indexes(databases: Databases) -> None:
    database = Database(await databases(ALEMBIC))

    def fill() -> None:
        before = database.value(INDEXES)
        rows.fill(database, 1_000)
        rows.fill(database, 2_000)  # in place of the first
        assert database.value("SELECT count(*) FROM notifications") == 2_000
        assert (
            database.value("SELECT count(*) FROM idempotency_keys k JOIN notifications n ON n.id = k.notification_id")
            == 2_000
        )
        assert database.value("SELECT sum(accepted)::int FROM accepted_totals") == 2_000
        assert database.value("SELECT count(*) FROM notifications WHERE user_id = $1", rows.user(3)) == 200
        assert database.value("SELECT count(*) FROM notifications WHERE status IN ('pending', 'queued')") == 0
        assert database.value(INDEXES) == before

    def look_at_ids() -> None:
        ordered = database.rows("SELECT id, created_at FROM notifications ORDER BY id")
        assert [row["created_at"] for row in ordered] == sorted(row["created_at"] for row in ordered)
        assert {row["id"].version for row in ordered} == {7}
        middle = ordered[1_000]
        first = "SELECT id FROM notifications WHERE id >= $1 ORDER BY id LIMIT 1"
        assert database.value(first, rows.first_id_of(middle["created_at"].timestamp())) == middle["id"]
        days = (ordered[-1]["created_at"] - ordered[0]["created_at"]).days
        assert days == rows.DAYS - 1

    try:
        await asyncio.to_thread(fill)
        await asyncio.to_thread(look_at_ids)
    finally:
        await asyncio.to_thread(database.close)


def test_columns_that_the_database_lacks_are_left_out() -> None:
    statement = rows.insert("notifications", {"id": "a", "new": "b"}, ["id", "other"])
    assert statement.startswith("INSERT INTO notifications (id) SELECT a FROM")


def test_a_users_list_does_not_grow_with_the_table() -> None:
    assert [number // rows.users_of(number) for number in (1, 10_000, 10_000_000)] == [1, 200, 200]
    assert isinstance(rows.user(1), UUID)
