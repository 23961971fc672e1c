"""The database wrapper: one clear error when the server is away."""

import pytest
from sqlalchemy import text

from chassis.database import Database, DatabaseUnavailable


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


async def test_a_backend_that_is_terminated_is_unavailable_then_works_again(databases) -> None:
    database = Database(await databases(None), pool_size=1)
    with pytest.raises(DatabaseUnavailable):
        async with database.begin() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    await database.ping()
    await database.close()


async def test_a_wrong_statement_is_not_called_unavailable(databases) -> None:
    database = Database(await databases(None))
    with pytest.raises(Exception, match="syntax error"):
        async with database.begin() as connection:
            await connection.execute(text("SELEC 1"))
    await database.close()
