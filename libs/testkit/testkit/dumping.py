"""All content of a database, as a dump would show it: for tests that some values are never stored."""

import asyncpg


async def dump(url: str) -> str:
    """Every column of every row of every table."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [await connection.fetch(f"SELECT '{table}', t::text FROM \"{table}\" AS t") for (table,) in tables]
        return "\n".join(f"{table} {row}" for found in rows for table, row in found)
    finally:
        await connection.close()
