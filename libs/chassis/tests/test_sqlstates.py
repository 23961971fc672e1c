"""PostgreSQL's errors that mean "not now" become a 503; errors that mean "never" are defects. On a real server."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chassis.postgres.database import NOT_NOW, Database, DatabaseUnavailable, is_unavailable, sqlstate_of
from testkit.eventually import eventually

WAYS = [Database.begin, Database.autocommit]
WRITE = "UPDATE notes SET note = 'x'"
# Errors that PL/pgSQL's RAISE makes the server report.
NOT_NOW_CODES = [
    "08006", "08P01", "25006", "25P03", "28P01", "3D000", "40001", "40P01", "53100", "53200", "53300", "53400", "55000",
    "55006", "55P03", "57014", "57P01", "57P02", "57P03", "57P04", "57P05", "58000", "58030", "58P01", "72000",
]  # fmt: skip
DEFECT_CODES = [
    "0A000",
    "22001",
    "22P05",
    "23502",
    "23505",
    "25P02",
    "40002",
    "42501",
    "42601",
    "42P01",
    "54000",
    "55P02",
    "XX000",
    "XX001",
]


@pytest.fixture
async def url(databases) -> str:
    return await databases(None)


@pytest.fixture
async def operator(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Another client's connection, without the settings of the database under test."""
    connection = await asyncpg.connect(
        url.replace("+asyncpg", ""), server_settings={"default_transaction_read_only": "off", "statement_timeout": "0"}
    )
    await connection.execute("CREATE TABLE notes (id int PRIMARY KEY, note text); INSERT INTO notes VALUES (1), (2)")
    yield connection
    await connection.close()


@pytest.fixture
async def alter(operator: asyncpg.Connection) -> Callable[[str], Awaitable[None]]:
    """Changes a setting of the database, for the sessions that begin from now on."""

    async def change(how: str) -> None:
        await operator.execute(f'ALTER DATABASE "{await operator.fetchval("SELECT current_database()")}" {how}')

    return change


@pytest.fixture
async def database(url: str, operator: asyncpg.Connection) -> AsyncIterator[Database]:
    database = Database(url, pool_size=2)
    yield database
    await database.close()


RAISE = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{}'; END $$"


@pytest.mark.parametrize("way", WAYS)
async def test_an_error_that_means_not_now_is_a_503_and_the_next_statement_works(database, way) -> None:
    for code in NOT_NOW_CODES:
        with pytest.raises(DatabaseUnavailable) as refused:
            await run(database, way, RAISE.format(code))
        assert refused.value.status == 503
        assert int(refused.value.headers["Retry-After"]) > 0
        assert sqlstate_of(refused.value.__cause__) == code
        await run(database, way, WRITE)


@pytest.mark.parametrize("way", WAYS)
async def test_errors_that_mean_never_stay_defects(database, way) -> None:
    for code in DEFECT_CODES:
        with pytest.raises((DBAPIError, asyncpg.PostgresError)) as raised:
            await run(database, way, RAISE.format(code))
        assert sqlstate_of(raised.value) == code


@pytest.mark.parametrize("way", WAYS)
async def test_a_value_that_the_driver_cannot_send_is_a_defect(database, way) -> None:
    with pytest.raises(Exception, match=r"out of range|int32") as raised:
        async with way(database) as connection:
            await connection.execute(text("INSERT INTO notes VALUES (CAST(:n AS int))"), {"n": 2**40})
    assert not isinstance(raised.value, DatabaseUnavailable)


@pytest.mark.parametrize("way", WAYS)
async def test_a_statement_that_takes_too_long_is_a_503(database, way, alter) -> None:
    await alter("SET statement_timeout = '50ms'")
    with pytest.raises(DatabaseUnavailable):
        await run(database, way, "SELECT pg_sleep(20)")


@pytest.mark.parametrize("way", WAYS)
async def test_a_lock_that_is_not_given_in_time_is_a_503(database, way, alter, operator) -> None:
    await alter("SET lock_timeout = '50ms'")
    async with operator.transaction():
        await operator.execute("LOCK notes")
        with pytest.raises(DatabaseUnavailable):
            await run(database, way, WRITE)
    await run(database, way, WRITE)


@pytest.mark.parametrize("way", WAYS)
async def test_a_session_that_is_idle_in_a_transaction_for_too_long_is_a_503(database, way, alter, operator) -> None:
    await alter("SET idle_in_transaction_session_timeout = '50ms'")

    async def rest() -> None:
        async with way(database) as connection:
            if way is Database.autocommit:
                await connection.execute(text("BEGIN"))
            [mine] = await connection.execute(text("SELECT pg_backend_pid() AS pid"))
            await eventually(
                lambda: operator.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", mine.pid),
                10,
                until=lambda left: left == 0,
            )
            await connection.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailable):
        await rest()
    await run(database, way, WRITE)


@pytest.mark.parametrize("way", WAYS)
async def test_a_read_only_database_is_a_503_and_is_written_to_again_when_it_no_longer_is(database, way, alter) -> None:
    """Sessions that began read-only stay so: one that refused a write must not be used again."""
    await alter("SET default_transaction_read_only = on")
    await run(database, way, "SELECT 1")
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            await run(database, way, WRITE)
    await alter("RESET default_transaction_read_only")
    await run(database, way, WRITE)


@pytest.mark.parametrize("way", WAYS)
async def test_a_deadlock_makes_one_of_two_transactions_a_503(database, way) -> None:
    both = asyncio.Barrier(2)
    write = text("UPDATE notes SET note = '' WHERE id = :id")

    async def crosswise(first: int, second: int) -> None:
        async with way(database) as connection:
            if way is Database.autocommit:
                await connection.execute(text("BEGIN"))
            await connection.execute(write, {"id": first})
            await both.wait()
            await connection.execute(write, {"id": second})
            if way is Database.autocommit:
                await connection.execute(text("COMMIT"))

    results = await asyncio.gather(crosswise(1, 2), crosswise(2, 1), return_exceptions=True)
    assert sorted(type(one).__name__ for one in results) == ["DatabaseUnavailable", "NoneType"]


def test_every_code_of_the_table_is_one_that_postgresql_has() -> None:
    known = {
        kind.sqlstate
        for _, kind in inspect.getmembers(asyncpg.exceptions, inspect.isclass)
        if isinstance(getattr(kind, "sqlstate", None), str)
    }
    assert [code for code in NOT_NOW if not any(one.startswith(code) for one in known)] == []


@pytest.mark.parametrize("error", [asyncpg.TargetServerAttributeNotMatched, asyncpg.InvalidCachedStatementError])
def test_no_writable_server_and_a_table_that_was_just_migrated_are_not_now(error: type[Exception]) -> None:
    assert is_unavailable(error("none of the hosts match the target attribute requirement"))


async def run(database: Database, way: Callable, *statements: str) -> None:
    async with way(database) as connection:
        for statement in statements:
            await connection.execute(text(statement))


@pytest.mark.parametrize("error", [asyncpg.ClientConfigurationError, asyncpg.UnsupportedServerFeatureError])
def test_an_address_or_a_feature_that_can_never_work_is_a_defect_though_the_driver_calls_it_like_a_closed_connection(
    error: type[Exception],
) -> None:
    assert not is_unavailable(error("no such parameter"))
