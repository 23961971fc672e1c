"""The database wrapper: one clear error while the server is down."""

import asyncio
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from chassis.postgres.database import Database, DatabaseUnavailable, is_unavailable
from chassis.server.run import migrate_database
from testkit.eventually import time_passes


async def test_a_query_runs_in_a_transaction(databases) -> None:
    database = Database(await databases(None))
    async with database.begin() as connection:
        assert (await connection.execute(text("SELECT 42"))).scalar_one() == 42
    await database.close()


@pytest.mark.parametrize("way", [Database.begin, Database.autocommit])
async def test_a_server_that_refuses_is_unavailable(unused_tcp_port: int, way) -> None:
    database = Database(f"postgresql+asyncpg://nobody@127.0.0.1:{unused_tcp_port}/none")
    with pytest.raises(DatabaseUnavailable) as raised:
        async with way(database):
            pass
    assert raised.value.status == 503
    assert raised.value.headers["Retry-After"]
    await database.close()


@pytest.mark.parametrize("way", [Database.begin, Database.autocommit])
async def test_a_backend_that_is_terminated_is_unavailable_then_works_again(databases, way) -> None:
    database = Database(await databases(None), pool_size=1)
    with pytest.raises(DatabaseUnavailable):
        async with way(database) as connection:
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    await database.ping()
    await database.close()


async def test_a_database_that_cannot_be_written_is_unavailable_to_who_must_write_until_it_can(databases) -> None:
    url = await databases(None)
    owner, database = Database(url), Database(url, pool_size=1)
    name = url.rpartition("?")[0].rpartition("/")[2] or url.rpartition("/")[2]

    async def make_read_only(setting: str) -> None:
        async with owner.begin() as connection:
            await connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {setting}'))

    await make_read_only("on")
    await database.ping()
    with pytest.raises(DatabaseUnavailable):
        await database.ping_writable()
    await make_read_only("off")
    await database.ping_writable()
    await database.close()
    await owner.close()


@pytest.mark.parametrize(("way", "kept"), [(Database.begin, 0), (Database.autocommit, 1)])
async def test_writes_before_a_failure_are_kept_only_in_autocommit(databases, way, kept) -> None:
    database = Database(await databases(None), pool_size=1)
    async with database.begin() as connection:
        await connection.execute(text("CREATE TABLE notes (note text)"))
    with suppress(ValueError):
        async with way(database) as connection:
            await connection.execute(text("INSERT INTO notes VALUES ('x')"))
            raise ValueError
    async with database.begin() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM notes"))).scalar_one() == kept
    await database.close()


async def test_a_single_statement_takes_parameters_by_name_and_gives_columns_as_attributes(databases) -> None:
    database = Database(await databases(None))
    async with database.autocommit() as connection:
        statement = text(
            "SELECT n, n || CAST(:word AS text) AS both FROM unnest(CAST(:numbers AS int[])) n WHERE n < :most"
        )
        rows = await connection.execute(statement, {"most": 3, "numbers": [1, 2, 3], "word": "x"})
    assert [(row.n, row.both) for row in rows] == [(1, "1x"), (2, "2x")]
    await database.close()


async def test_a_wrong_single_statement_is_not_called_unavailable_and_harms_no_other(databases) -> None:
    database = Database(await databases(None), pool_size=1)
    with pytest.raises(Exception, match="syntax error"):
        async with database.autocommit() as connection:
            await connection.execute(text("SELEC 1"))
    await _answers(database)
    await database.close()


@pytest.mark.parametrize(
    ("way", "other"), [(Database.autocommit, Database.begin), (Database.begin, Database.autocommit)]
)
async def test_a_connection_that_died_at_rest_is_replaced(databases, way, other) -> None:
    database = Database(await databases(None), pool_size=1)
    async with way(database) as connection:
        [mine] = await connection.execute(text("SELECT pg_backend_pid() AS pid"))
    async with other(database) as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": mine.pid})
    await time_passes(0.2)  # the pool has noticed it
    async with way(database) as connection:
        [row] = await connection.execute(text("SELECT 42 AS answer"))
    assert row.answer == 42
    await database.close()


async def test_no_place_in_time_is_unavailable_and_a_cancelled_statement_gives_its_place_back(databases) -> None:
    database = Database(await databases(None), pool_size=1, connect_seconds=0.2)
    began = asyncio.Event()

    async def hold() -> None:
        async with database.autocommit() as connection:
            began.set()
            await connection.execute(text("SELECT pg_sleep(60)"))

    held = asyncio.create_task(hold())
    await began.wait()
    with pytest.raises(DatabaseUnavailable):
        await _answers(database)
    held.cancel()
    await asyncio.gather(held, return_exceptions=True)
    await _answers(database)
    await database.close()


async def _answers(database: Database) -> None:
    async with database.autocommit() as connection:
        [row] = await connection.execute(text("SELECT 42 AS answer"))
        assert row.answer == 42


async def test_a_wrong_statement_is_not_called_unavailable(databases) -> None:
    database = Database(await databases(None))
    with pytest.raises(Exception, match="syntax error"):
        async with database.begin() as connection:
            await connection.execute(text("SELEC 1"))
    await database.close()


@pytest.mark.parametrize("way", [Database.begin, Database.autocommit])
async def test_a_database_that_does_not_exist_yet_is_unavailable(databases, way) -> None:
    database = Database((await databases(None)).rsplit("/", 1)[0] + "/not_made_yet")
    with pytest.raises(DatabaseUnavailable):
        async with way(database):
            pass
    await database.close()


@pytest.mark.parametrize("sqlstate", ["28P01", "3D000", "55000", "57P03", "08006"])
def test_a_server_that_does_not_let_us_in_is_down(sqlstate: str) -> None:
    assert is_unavailable(type("_Refused", (Exception,), {"sqlstate": sqlstate})())


@pytest.mark.parametrize("error", [asyncpg.InterfaceError, asyncpg.InternalClientError])
def test_a_connection_that_the_driver_cannot_use_any_more_is_down(error: type[Exception]) -> None:
    """The second: the server's closing message was read before a statement, the end of the connection was not."""
    assert is_unavailable(error("cannot switch to state 12; another operation (2) is in progress"))


def test_migrating_a_database_that_is_not_there_ends_with_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], unused_tcp_port: int
) -> None:
    folder = Path(__file__).parents[3] / "user-service" / "alembic"
    with pytest.raises(SystemExit) as ended:
        migrate_database(f"postgresql+asyncpg://nobody@127.0.0.1:{unused_tcp_port}/none", folder)
    assert ended.value.code == 1
    assert "DATABASE_URL" in capsys.readouterr().err
