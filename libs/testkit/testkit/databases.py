"""Databases for tests: empty ones, and ones with a service's migrations.

To create a database, to connect to it for the first time and to drop it takes much of a test's time. Most tests only write
rows: their databases are emptied, and later tests get them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg

from chassis.postgres.migrations import migrate

Content = Path | Callable[[str], Awaitable[None]]
"""Of a new database: an Alembic folder's migrations, or what a function makes at the database's address."""

MAX_BYTES = 1 << 20  # of a table or an index: deleted rows stay in its file, and plans depend on its size
END_OTHERS = """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
SIZE = "SELECT max(pg_relation_size(oid)) FROM pg_class WHERE oid >= 16384"
RESTART = "SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence"

# The versions of all rows of the catalogue about what users created: they change with every DDL statement, with TRUNCATE,
# with ANALYZE and with settings of the database. What is below 16384 comes with PostgreSQL.
STRUCTURE = """SELECT md5(string_agg(version, ' ' ORDER BY version)) FROM (
    SELECT concat('class ', oid, '@', xmin) FROM pg_class WHERE oid >= 16384
    UNION ALL SELECT concat('column ', attrelid, '.', attnum, '@', xmin) FROM pg_attribute WHERE attrelid >= 16384
    UNION ALL SELECT concat('default ', oid, '@', xmin) FROM pg_attrdef
    UNION ALL SELECT concat('constraint ', oid, '@', xmin) FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT concat('index ', indexrelid, '@', xmin) FROM pg_index WHERE indexrelid >= 16384
    UNION ALL SELECT concat('trigger ', oid, '@', xmin) FROM pg_trigger
    UNION ALL SELECT concat('function ', oid, '@', xmin) FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT concat('statistics ', starelid, '.', staattnum, '@', xmin) FROM pg_statistic WHERE starelid >= 16384
    UNION ALL SELECT concat('settings ', setrole, setconfig) FROM pg_db_role_setting
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
) AS versions (version)"""


@dataclass
class _Origin:
    """A database from which others are copied, and copies that nobody uses."""

    name: str
    structure: str
    emptying: str
    spare: list[str] = field(default_factory=list)


class KeptDatabases:
    """On the server with the address `server`, which has `{database}` in it."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._known: dict[Content, _Origin] = {}
        self._origins: dict[str, _Origin] = {}

    async def take(self, content: Content | None) -> str:
        """The name of a database with that content, and no rows."""
        origin = None if content is None else await self._origin(content)
        if origin is not None and origin.spare:
            return origin.spare.pop()
        name = f"test_{uuid4().hex}"
        await self._run(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{origin.name}"' if origin else ""))
        if origin is not None:
            self._origins[name] = origin
        return name

    async def give_back(self, name: str) -> None:
        """Connections to it end. It is dropped unless it can be emptied."""
        origin = self._origins.get(name)
        if origin is not None and await self._emptied(name, origin):
            origin.spare.append(name)
        else:
            await self._drop(name)

    async def close(self) -> None:
        for origin in self._known.values():
            for name in (*origin.spare, origin.name):
                await self._drop(name)

    async def _origin(self, content: Content) -> _Origin:
        if content not in self._known:
            name = f"template_{uuid4().hex}"
            await self._run(f'CREATE DATABASE "{name}"')
            url = self._server.format(database=name)
            await (migrate(content, url) if isinstance(content, Path) else content(url))
            connection = await self._connect(name)
            try:
                tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
                emptying = [f'DELETE FROM "{table}"' for (table,) in tables if not table.startswith("alembic_version")]
                structure = await connection.fetchval(STRUCTURE)
            finally:
                await connection.close()
            self._known[content] = _Origin(name, structure, "; ".join(emptying))
        return self._known[content]

    async def _emptied(self, name: str, origin: _Origin) -> bool:
        try:
            connection = await self._connect(name)
            try:
                await connection.fetch(END_OTHERS)
                if await connection.fetchval(STRUCTURE) != origin.structure:
                    return False
                if await connection.fetchval(SIZE) > MAX_BYTES:
                    return False
                await connection.execute(f"SET session_replication_role = replica; {origin.emptying}; {RESTART}")
                return True
            finally:
                await connection.close()
        except (asyncpg.PostgresError, OSError):  # the test has changed what it is for
            return False

    async def _drop(self, name: str) -> None:
        await self._run(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def _run(self, statement: str) -> None:
        connection = await self._connect("postgres")
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def _connect(self, name: str) -> asyncpg.Connection:
        return await asyncpg.connect(self._server.format(database=name).replace("+asyncpg", ""))
