"""Connections and transactions of one PostgreSQL database, and the SQLSTATEs that mean that it is unavailable."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import structlog
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from chassis.errors import Unavailable
from chassis.postgres.autocommit import AutocommitConnection, AutocommitPool
from chassis.postgres.connecting import Connector

log = structlog.get_logger()

CONNECT_SECONDS = 2.0  # to connect to a server, and to wait for a free connection
STATEMENT_SECONDS = 30.0

READ_ONLY = text("SELECT pg_is_in_recovery() OR CAST(current_setting('transaction_read_only') AS boolean)")


class DatabaseUnavailable(Unavailable):
    code, message = "database_unavailable", "The database is not available right now; try again"


class Database:
    """A service's own database, on one server or on several of which one takes writes (a primary and its standbys).

    `begin()` returns a connection in a transaction that commits at the end of the block. It raises `DatabaseUnavailable` (503
    with Retry-After) if the server is down or answers "not now" (NOT_NOW: read-only, timed out, full …), instead of the
    driver's various errors. `autocommit()` is for single statements, which PostgreSQL makes atomic by itself. Each of the two
    has at most `pool_size` connections.
    """

    def __init__(self, url: str, *, pool_size: int = 10, connect_seconds: float | None = None) -> None:
        connect_seconds = CONNECT_SECONDS if connect_seconds is None else connect_seconds
        connector = Connector(url, seconds=connect_seconds, command_seconds=STATEMENT_SECONDS)
        self._engine = create_async_engine(
            url,
            async_creator=connector.connect,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=connect_seconds,
            pool_use_lifo=True,
            hide_parameters=True,  # errors are logged, and parameters are personal data
        )
        event.listen(self._engine.sync_engine, "checkout", _not_closed)
        self._autocommit = AutocommitPool(connector, max_size=pool_size, connect_seconds=connect_seconds)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        async with _translated_errors(), self._engine.begin() as connection:
            try:
                yield connection
            except DBAPIError as error:
                if is_unavailable(error):  # do not reuse it: a session that began read-only stays read-only
                    await connection.invalidate(error)
                raise

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[AutocommitConnection]:
        """A connection on which each statement commits by itself: one round trip, where BEGIN and COMMIT make three.

        For the hot path, where a group is one statement. See `chassis.postgres.autocommit`.
        """
        async with _translated_errors(), self._autocommit.take() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Like `begin`, but all statements see the same snapshot."""
        async with self.begin() as connection:
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            yield connection

    async def ping(self) -> None:
        async with self.begin() as connection:
            await connection.execute(text("SELECT 1"))

    async def ping_writable(self) -> None:
        """For services that cannot work without writing. Raises DatabaseUnavailable on a standby or a read-only server."""
        async with self.begin() as connection:
            if (await connection.execute(READ_ONLY)).scalar_one():
                await connection.invalidate()  # a session that began read-only stays read-only
                log.warning("database.read_only")
                raise DatabaseUnavailable

    async def close(self) -> None:
        await self._autocommit.close()
        await self._engine.dispose()


def _not_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Makes the pool reconnect if the server closed an idle connection; needs no round trip to detect it."""
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError


@asynccontextmanager
async def _translated_errors() -> AsyncIterator[None]:
    """Translates the driver errors of a server that is down or busy into DatabaseUnavailable."""
    try:
        yield
    except (OSError, TimeoutError, PoolTimeout) as error:
        raise _unavailable(error) from error
    except DBAPIError as error:
        if error.connection_invalidated or is_unavailable(error):
            raise _unavailable(error) from error
        raise
    except Exception as error:
        if is_unavailable(error):  # asyncpg's own error while connecting, before SQLAlchemy wraps it
            raise _unavailable(error) from error
        raise


def _unavailable(error: BaseException) -> DatabaseUnavailable:
    log.warning("database.unavailable", error=type(error).__name__, sqlstate=sqlstate_of(error))
    return DatabaseUnavailable()


# PostgreSQL errors that mean "not now": the same statement may succeed a moment later, or on another server.
#
# Every other error is our defect (42 syntax or missing object, 22 bad data, 23 an unexpected constraint violation, 25P02 a
# statement after a failed one) or damage (XX). It stays an error that people must look at.

# SQLSTATE, or its beginning → reason. Source: PostgreSQL 18, Appendix A, "PostgreSQL Error Codes". Classes 40 and 55 are
# not complete here: 40002 is a violated constraint; 55P02 and 55P04 are statements that can never work.
NOT_NOW = {
    "08": "connection exception; poolers use 08P01 for a server that they cannot reach",
    "25006": "read-only: a standby, a fail-over, or default_transaction_read_only",
    "25P03": "idle in a transaction for too long; the server hung up",
    "25P04": "transaction_timeout; the server hung up",
    "28": "not let in: while roles are set up or a password is changed",
    "3D": "no such database: while it is made or moved",
    "40000": "rolled back",
    "40001": "serialization failure, or a standby's conflict with recovery",
    "40003": "it is not known whether the statement completed",
    "40P01": "deadlock",
    "53": "insufficient resources: disk full, out of memory, too many connections",
    "55000": "the database takes no connections",
    "55006": "the database is in use by a command that needs it for itself",
    "55P03": "lock_timeout, or NOWAIT",
    "57": "operator intervention: shutdown, crash, starting up, dropped; statement_timeout and cancelled queries (57014)",
    "58": "an error outside PostgreSQL: reading, writing or finding its files",
    "72": "snapshot too old",
}
_PREFIXES = tuple(NOT_NOW)
# The driver's own errors. InterfaceError: the connection is closed or busy. InternalClientError and its subclasses: the
# server closed an idle connection, or no server of the list accepts writes. InvalidCachedStatementError: a migration changed
# a table under a prepared statement; the driver then drops that statement.
_CLIENT_NOT_NOW = (asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.InvalidCachedStatementError)
# Subclasses of InterfaceError about the request: a bad value or address (ValueErrors), or an unsupported feature.
_CLIENT_DEFECTS = (ValueError, asyncpg.UnsupportedClientFeatureError, asyncpg.UnsupportedServerFeatureError)


def is_unavailable(error: BaseException | None) -> bool:
    """Whether the driver's error, wrapped by SQLAlchemy or not, means "not now" and not "never"."""
    own = _own(error)
    if isinstance(own, _CLIENT_DEFECTS):
        return False
    return isinstance(own, _CLIENT_NOT_NOW) or (sqlstate_of(own) or "").startswith(_PREFIXES)


def sqlstate_of(error: BaseException | None) -> str | None:
    """The server's code. None if the driver or the network failed."""
    state = getattr(_own(error), "sqlstate", None)
    return state if isinstance(state, str) else None


def _own(error: BaseException | None) -> BaseException | None:
    """The driver's own error. SQLAlchemy's copy loses the class, and sometimes the SQLSTATE."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error
