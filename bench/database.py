"""A kept connection to one database, for the harness's own queries: a new one for each would cost PostgreSQL more."""

import asyncio
from typing import Any

import asyncpg


class Database:
    """Connects at the first query. For one thread at a time, without a running event loop."""

    def __init__(self, url: str) -> None:
        self._url = url.replace("+asyncpg", "")
        self._runner: asyncio.Runner | None = None
        self._connection: Any = None

    def rows(self, statement: str, *values: object) -> list[Any]:
        self._runner = self._runner or asyncio.Runner()
        return list(self._runner.run(self._fetch(statement, values)))

    def value(self, statement: str, *values: object) -> Any:
        return self.rows(statement, *values)[0][0]

    def close(self) -> None:
        """Closes the connection. The next query opens a new one."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
        if self._runner is not None:
            self._runner.close()
            self._runner = None

    async def _fetch(self, statement: str, values: tuple[object, ...]) -> Any:
        if self._connection is None:
            self._connection = await asyncpg.connect(self._url, timeout=10)
        return await self._connection.fetch(statement, *values, timeout=3_600)
