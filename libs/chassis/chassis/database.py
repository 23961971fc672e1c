"""PostgreSQL through SQLAlchemy Core and asyncpg."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from chassis.autocommit import STATEMENT_SECONDS, AutocommitConnection, AutocommitPool
from chassis.errors import Unavailable
from chassis.sqlstates import is_away, sqlstate_of

log = structlog.get_logger()

CONNECT_SECONDS = 2.0  # to connect, and to wait for a free connection

READ_ONLY = text("SELECT pg_is_in_recovery() OR CAST(current_setting('transaction_read_only') AS boolean)")


class DatabaseUnavailable(Unavailable):
    code, message = "database_unavailable", "The database is not available right now; try again"


class Database:
    """One service's own database.

    `begin()` gives a connection inside a transaction that commits when the block ends. It raises `DatabaseUnavailable`
    (503 with Retry-After) when the server is down or says "not now" (`chassis.sqlstates`: read-only, timed out, full …), in
    place of the driver's many ways to say so. `autocommit()` is for single statements, which PostgreSQL makes whole by
    itself. Each of the two has `pool_size` connections at most.
    """

    def __init__(self, url: str, *, pool_size: int = 10, connect_seconds: float | None = None) -> None:
        connect_seconds = CONNECT_SECONDS if connect_seconds is None else connect_seconds
        self._engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=connect_seconds,
            pool_use_lifo=True,
            hide_parameters=True,  # an error's text is logged, and parameters are people's data
            connect_args={"timeout": connect_seconds, "command_timeout": STATEMENT_SECONDS},
        )
        event.listen(self._engine.sync_engine, "checkout", _not_closed)
        self._autocommit = AutocommitPool(url, most=pool_size, connect_seconds=connect_seconds)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        async with _told(), self._engine.begin() as connection:
            try:
                yield connection
            except DBAPIError as error:
                if is_away(error):  # not used again: a session that began read-only stays read-only
                    await connection.invalidate(error)
                raise

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[AutocommitConnection]:
        """A connection on which each statement commits by itself: one round trip, where BEGIN and COMMIT make three.

        For the hot path, where a group is one statement; see `chassis.autocommit`.
        """
        async with _told(), self._autocommit.take() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Like `begin`, but every statement sees the same moment."""
        async with self.begin() as connection:
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            yield connection

    async def ping(self) -> None:
        async with self.begin() as connection:
            await connection.execute(text("SELECT 1"))

    async def ping_writable(self) -> None:
        """For who can do nothing without writing. Raises DatabaseUnavailable on a standby, or where writing is off."""
        async with self.begin() as connection:
            if (await connection.execute(READ_ONLY)).scalar_one():
                await connection.invalidate()  # a session that began read-only stays so
                log.warning("database.read_only")
                raise DatabaseUnavailable

    async def close(self) -> None:
        await self._autocommit.close()
        await self._engine.dispose()


def _not_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Makes the pool connect anew where the server closed a connection at rest, with no round trip to find out."""
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """Raises DatabaseUnavailable for every way in which the driver says that the server is down or cannot do it now."""
    try:
        yield
    except (OSError, TimeoutError, PoolTimeout) as error:
        raise _unavailable(error) from error
    except DBAPIError as error:
        if error.connection_invalidated or is_away(error):
            raise _unavailable(error) from error
        raise
    except Exception as error:
        if is_away(error):  # asyncpg's own, raised while connecting, before SQLAlchemy wraps anything
            raise _unavailable(error) from error
        raise


def _unavailable(error: BaseException) -> DatabaseUnavailable:
    log.warning("database.unavailable", error=type(error).__name__, sqlstate=sqlstate_of(error))
    return DatabaseUnavailable()
