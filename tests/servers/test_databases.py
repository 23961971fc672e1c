"""A test cannot see that another one had its database before."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from testkit.databases import KeptDatabases

TABLES = """CREATE TABLE things (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
CREATE TABLE parts (thing int NOT NULL REFERENCES things);
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'"""
ROWS = "INSERT INTO things (name) VALUES ('a'), ('b'); INSERT INTO parts SELECT id FROM things"


async def tables(url: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute(TABLES)
    await connection.close()


class Kept(KeptDatabases):
    async def used(self, *statements: str) -> str:
        """The name of a database in which these were executed, one after the other, and which was given back."""
        name = await self.take(tables)
        connection = await self._connect(name)
        for statement in statements:
            await connection.execute(statement.format(name=name))
        await connection.close()
        await self.give_back(name)
        return name


@pytest.fixture
async def kept(postgres_url: str) -> AsyncIterator[Kept]:
    made = Kept(postgres_url)
    yield made
    await made.close()


async def test_one_with_other_rows_is_emptied_and_begins_anew(kept: Kept) -> None:
    used = await kept.used(ROWS)
    again = await kept.take(tables)
    connection = await kept._connect(again)
    assert await connection.fetchval("SELECT count(*) FROM parts") == 0
    assert await connection.fetchval("INSERT INTO things (name) VALUES ('c') RETURNING id") == 1
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await connection.execute("INSERT INTO parts VALUES (2)")
    await connection.close()
    await kept.give_back(again)
    assert again == used


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE things ADD more text",
        "ALTER TABLE things ALTER name SET DEFAULT 'x'",
        "ALTER TABLE things ADD CHECK (name <> '')",
        "ALTER TABLE things ALTER name SET STATISTICS 500",
        "CREATE INDEX ON things (name)",
        "CREATE TABLE others (id int)",
        "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "CREATE SEQUENCE numbers",
        "DROP TABLE parts",
        "ALTER TABLE parts RENAME TO pieces",
        "ALTER DATABASE {name} SET statement_timeout = '1s'",
        "ALTER DATABASE {name} SET default_transaction_read_only = on",
        "ANALYZE things",
        "INSERT INTO things (name) SELECT repeat('x', 1000) FROM generate_series(1, 2000)",
    ],
)
async def test_one_that_was_changed_otherwise_is_dropped(kept: Kept, statement: str) -> None:
    used = await kept.used(ROWS, statement)
    again = await kept.take(tables)
    await kept.give_back(again)
    assert again != used


async def test_connections_that_are_left_over_end(kept: Kept) -> None:
    name = await kept.take(tables)
    left = await kept._connect(name)
    await left.execute("BEGIN; INSERT INTO things (name) VALUES ('a')")
    await kept.give_back(name)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await left.execute("COMMIT")
    assert await kept.take(tables) == name
    await kept.give_back(name)


async def test_two_at_once_are_two(kept: Kept) -> None:
    names = [await kept.take(tables) for _ in range(2)]
    for name in names:
        await kept.give_back(name)
    assert len(set(names)) == 2
