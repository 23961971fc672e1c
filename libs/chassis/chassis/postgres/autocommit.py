"""Single statements run directly by the driver. Group commits use them.

SQLAlchemy's asyncio connections cost three times the CPU (greenlets, checkout, isolation level, result). At a few hundred
notifications a second, where groups are small, that was a quarter of a worker's time. See ADR 11.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, Protocol

import asyncpg
from sqlalchemy import TextClause

from chassis.postgres.connecting import DIALECT, Connection, Connector


class StatementExecutor(Protocol):
    """Runs a statement and returns its rows, columns as attributes. An `AutocommitConnection` or SQLAlchemy's connection."""

    async def execute(self, statement: TextClause, parameters: Mapping[str, Any], /) -> Iterable[Any]: ...


class Row(asyncpg.Record):
    """The driver's row, with its columns as attributes."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class AutocommitConnection:
    """A connection on which each statement commits by itself."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def execute(self, statement: TextClause, parameters: Mapping[str, Any] | None = None, /) -> Sequence[Any]:
        query, names = _for_driver(statement)
        given = parameters or {}
        return await self._connection.fetch(query, *[given[name] for name in names])


class AutocommitPool:
    """At most `max_size` connections, opened on demand. A connection is not used again after any error."""

    def __init__(self, connector: Connector, *, max_size: int, connect_seconds: float) -> None:
        self._connector = connector
        self._connect_seconds = connect_seconds
        self._places = asyncio.Semaphore(max_size)
        self._idle: list[Connection] = []

    @asynccontextmanager
    async def take(self) -> AsyncIterator[AutocommitConnection]:
        """Raises TimeoutError if no connection becomes free in time. Also raises the driver's errors."""
        async with asyncio.timeout(self._connect_seconds):
            await self._places.acquire()
        try:
            connection = self._rested() or await self._connector.connect(Row)
            try:
                yield AutocommitConnection(connection)
            except BaseException:
                connection.terminate()
                raise
            self._idle.append(connection)
        finally:
            self._places.release()

    async def close(self) -> None:
        """Closes idle connections. Return all other connections first."""
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.close(timeout=self._connect_seconds)
            except Exception:  # noqa: BLE001 - the server is down; nothing more can be done
                connection.terminate()

    def _rested(self) -> Connection | None:
        """The idle connection that was used last. The server may have closed others."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None


@lru_cache(maxsize=256)
def _for_driver(statement: TextClause) -> tuple[str, tuple[str, ...]]:
    """Replaces `:names` by the driver's numbers; returns the names in the order of the numbers."""
    compiled = statement.compile(dialect=DIALECT)
    return str(compiled), tuple(compiled.positiontup or ())


# FROM items for statements that touch a group of rows by key.
#
# PostgreSQL estimates ten rows for an unnested parameter and a hundred for JSON. For that many rows it scans a whole table of
# a few hundred rows, and it keeps the plan of a prepared statement until the table is analysed. So a burst on a new table
# scans the whole table again and again (measured: 0.65 ms a row, against 0.05 with the index). PostgreSQL cannot
# estimate the condition `num_nonnulls(key) = 1`, which is always true: it assumes one row, and uses the index from the start.
#
# Not for statements that only insert their rows: these join a group with itself, and the normal estimate is better there.


def records(parameter: str, columns: str, *, key: str) -> str:
    """The objects of the JSON array `:parameter`, with `columns` as in a table definition. `key` is never null."""
    source = f"json_to_recordset(CAST(:{parameter} AS json)) AS r({columns})"
    return f"(SELECT * FROM {source} WHERE num_nonnulls({key}) = 1)"  # noqa: S608 - constants of ours


def ids(parameter: str) -> str:
    """The uuids of the array `:parameter`, as a column `id`."""
    return f"(SELECT * FROM unnest(CAST(:{parameter} AS uuid[])) AS r(id) WHERE num_nonnulls(id) = 1)"  # noqa: S608
