"""The database wrapper: one clear error when the server is away."""

from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from chassis.database import Database, DatabaseUnavailable, is_away
from chassis.server import migrate_database


async def test_a_query_runs_in_a_transaction(databases) -> None:
    database = Database(await databases(None))
    async with database.begin() as connection:
        assert (await connection.execute(text("SELECT 42"))).scalar_one() == 42
    await database.close()


async def test_a_server_that_refuses_is_unavailable(unused_tcp_port: int) -> None:
    database = Database(f"postgresql+asyncpg://nobody@127.0.0.1:{unused_tcp_port}/none")
    with pytest.raises(DatabaseUnavailable) as raised:
        await database.ping()
    assert raised.value.status == 503
    assert raised.value.headers["Retry-After"]
    await database.close()


@pytest.mark.parametrize("way", [Database.begin, Database.each])
async def test_a_backend_that_is_terminated_is_unavailable_then_works_again(databases, way) -> None:
    database = Database(await databases(None), pool_size=1)
    with pytest.raises(DatabaseUnavailable):
        async with way(database) as connection:
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    await database.ping()
    await database.close()


@pytest.mark.parametrize(("way", "kept"), [(Database.begin, 0), (Database.each, 1)])
async def test_what_was_written_before_a_failure_is_kept_only_where_each_statement_commits(
    databases, way, kept
) -> None:
    database = Database(await databases(None), pool_size=1)
    async with database.begin() as connection:
        await connection.execute(text("CREATE TABLE notes (note text)"))
    with suppress(ValueError):
        async with way(database) as connection:
            await connection.execute(text("INSERT INTO notes VALUES ('x')"))
            raise ValueError
    async with database.begin() as connection:  # the same connection, from the pool: a transaction again
        assert (await connection.execute(text("SELECT count(*) FROM notes"))).scalar_one() == kept
        assert (await connection.execute(text("SELECT now() = clock_timestamp()"))).scalar_one() is False
    await database.close()


async def test_a_wrong_statement_is_not_called_unavailable(databases) -> None:
    database = Database(await databases(None))
    with pytest.raises(Exception, match="syntax error"):
        async with database.begin() as connection:
            await connection.execute(text("SELEC 1"))
    await database.close()


async def test_a_database_that_does_not_exist_yet_is_unavailable(databases) -> None:
    database = Database((await databases(None)).rsplit("/", 1)[0] + "/not_made_yet")
    with pytest.raises(DatabaseUnavailable):
        await database.ping()
    await database.close()


@pytest.mark.parametrize("sqlstate", ["28P01", "3D000", "55000", "57P03", "08006"])
def test_a_server_that_does_not_let_us_in_is_away(sqlstate: str) -> None:
    assert is_away(type("_Refused", (Exception,), {"sqlstate": sqlstate})())


def test_migrating_a_database_that_is_not_there_ends_with_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], unused_tcp_port: int
) -> None:
    folder = Path(__file__).parents[3] / "user-service" / "alembic"
    with pytest.raises(SystemExit) as ended:
        migrate_database(f"postgresql+asyncpg://nobody@127.0.0.1:{unused_tcp_port}/none", folder)
    assert ended.value.code == 1
    assert "DATABASE_URL" in capsys.readouterr().err
