"""Single statements, straight through the driver: what a group commit runs on.

SQLAlchemy's asyncio connections cost three times the CPU (greenlets, checkout, isolation level, result). At a few hundred
notifications a second, where groups are small, that was a quarter of a worker's time. See ADR 11.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import asyncpg
from sqlalchemy import TextClause, make_url
from sqlalchemy.dialects.postgresql.asyncpg import dialect

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection


STATEMENT_SECONDS = 30
_DIALECT = dialect()  # type: ignore[no-untyped-call]


class StatementExecutor(Protocol):
    """What runs a statement and gives its rows, columns as attributes: one of these, or SQLAlchemy's connection."""

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
    """At most `most` connections, made when they are needed. One that anything went wrong on is not used again."""

    def __init__(self, url: str, *, most: int, connect_seconds: float) -> None:
        _, self._options = _DIALECT.create_connect_args(make_url(url))  # type: ignore[no-untyped-call]
        self._connect_seconds = connect_seconds
        self._places = asyncio.Semaphore(most)
        self._idle: list[Connection] = []

    @asynccontextmanager
    async def take(self) -> AsyncIterator[AutocommitConnection]:
        """Raises TimeoutError when no place is free in time, and what the driver raises."""
        async with asyncio.timeout(self._connect_seconds):
            await self._places.acquire()
        try:
            connection = self._rested() or await self._connect()
            try:
                yield AutocommitConnection(connection)
            except BaseException:
                connection.terminate()
                raise
            self._idle.append(connection)
        finally:
            self._places.release()

    async def close(self) -> None:
        """Those at rest; the others must have been given back."""
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.close(timeout=self._connect_seconds)
            except Exception:  # noqa: BLE001 - a server that is away cannot be told
                connection.terminate()

    def _rested(self) -> Connection | None:
        """The last used first; the server may have closed others since."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    async def _connect(self) -> Connection:
        return await asyncpg.connect(
            **self._options, timeout=self._connect_seconds, command_timeout=STATEMENT_SECONDS, record_class=Row
        )


@lru_cache(maxsize=256)
def _for_driver(statement: TextClause) -> tuple[str, tuple[str, ...]]:
    """`:names` as the driver's numbers, and which name has which."""
    compiled = statement.compile(dialect=_DIALECT)
    return str(compiled), tuple(compiled.positiontup or ())


# FROM items for statements that touch a group of rows by key.
#
# PostgreSQL takes an unnested parameter for ten rows and JSON for a hundred. For so many it reads a table whole that has a
# few hundred rows, and keeps the plan of a prepared statement until the table is analysed: a burst on a young table then
# reads all of it again and again (measured: 0.65 ms a row, against 0.05 by the index). A condition that is true for every
# row and that it cannot estimate makes it expect one row, and go by the index from the first day.
#
# Not for statements that only insert what they are given: their groups are joined with themselves, where the usual guess is
# the better one.


def records(parameter: str, columns: str, *, key: str) -> str:
    """The objects of the JSON array `:parameter`, with `columns` as in a table definition; `key` is never null."""
    source = f"json_to_recordset(CAST(:{parameter} AS json)) AS r({columns})"
    return f"(SELECT * FROM {source} WHERE num_nonnulls({key}) = 1)"  # noqa: S608 - constants of ours


def ids(parameter: str) -> str:
    """The uuids of the array `:parameter`, as a column `id`."""
    return f"(SELECT * FROM unnest(CAST(:{parameter} AS uuid[])) AS r(id) WHERE num_nonnulls(id) = 1)"  # noqa: S608
