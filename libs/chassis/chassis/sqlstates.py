"""Which of PostgreSQL's errors mean "not now": the same statement may succeed a moment later, or on another server.

Everything that is not in this table is a defect of ours (42 syntax or missing object, 22 bad data, 23 a constraint that
nobody foresaw, 25P02 a statement after a failed one) or damage (XX): it stays an error that people look at.
"""

import asyncpg
from sqlalchemy.exc import DBAPIError

# SQLSTATE, or the beginning of one → why. Source: PostgreSQL 18, Appendix A, "PostgreSQL Error Codes". Classes 40 and 55 are
# not here as a whole: 40002 is a broken constraint, 55P02 and 55P04 are statements that can never work.
NOT_NOW = {
    "08": "connection exception; poolers use 08P01 for a server that they cannot reach",
    "25006": "read-only: a standby, a fail-over, or default_transaction_read_only",
    "25P03": "idle in a transaction for too long; the server hung up",
    "25P04": "transaction_timeout; the server hung up",
    "28": "not let in: while roles are set up or a password is changed",
    "3D": "no such database: while it is made or moved",
    "40000": "rolled back",
    "40001": "serialization failure, or a standby's conflict with recovery",
    "40003": "nobody knows whether the statement completed",
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
# The driver's own. InterfaceError: the connection is closed or busy. InternalClientError and its kinds: the server said
# goodbye while nobody asked it anything, or no server of the list takes writes. InvalidCachedStatementError: a migration
# changed a table under a prepared statement, which the driver now forgets.
_CLIENT_NOT_NOW = (asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.InvalidCachedStatementError)
# Kinds of InterfaceError that are about what was asked: a bad value or address (ValueErrors), a feature that is not there.
_CLIENT_DEFECTS = (ValueError, asyncpg.UnsupportedClientFeatureError, asyncpg.UnsupportedServerFeatureError)


def is_away(error: BaseException | None) -> bool:
    """Whether the driver's error, as it came or as SQLAlchemy wrapped it, says "not now" rather than "never so"."""
    own = _own(error)
    if isinstance(own, _CLIENT_DEFECTS):
        return False
    return isinstance(own, _CLIENT_NOT_NOW) or (sqlstate_of(own) or "").startswith(_PREFIXES)


def sqlstate_of(error: BaseException | None) -> str | None:
    """The server's code; None when the driver or the network failed."""
    state = getattr(_own(error), "sqlstate", None)
    return state if isinstance(state, str) else None


def _own(error: BaseException | None) -> BaseException | None:
    """The driver's own error: SQLAlchemy's copy loses the SQLSTATE of some, and the class of all."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error
