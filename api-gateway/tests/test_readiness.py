"""A gateway that cannot accept is not ready."""

import asyncpg

from testkit.eventually import eventually

READ_ONLY = """DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = {}', current_database());
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend';
END $$"""


async def _set(gateway, read_only: str) -> None:
    url = gateway.settings.database_url.replace("+asyncpg", "")
    connection = await asyncpg.connect(url, server_settings={"default_transaction_read_only": "off"})
    await connection.execute(READ_ONLY.format(read_only))
    await connection.close()


async def _until_ready_is(gateway, status: int) -> None:
    async def answers() -> bool:
        return (await gateway.http.get("/health/readiness")).status_code == status

    await eventually(answers)


async def test_a_gateway_whose_database_is_read_only_is_not_ready_until_it_can_be_written(gateway) -> None:
    await _until_ready_is(gateway, 200)
    await _set(gateway, "on")
    await _until_ready_is(gateway, 503)
    await _set(gateway, "off")
    await _until_ready_is(gateway, 200)
