"""`python -m <service> reencrypt`: re-encrypts stored values with the first entry of DATA_ENCRYPTION_KEYS, a key or `plain`.

It runs beside the service. It reads a group of rows without locks, and writes a row only if nothing has changed it since.
It may be stopped and run again, even twice at the same time: values that are already current are only read.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import TextClause
from sqlalchemy.exc import ProgrammingError

from chassis.errors import ServiceError
from chassis.json_values import to_json_text
from chassis.observability.logs import configure_logs
from chassis.postgres.database import Database, sqlstate_of
from chassis.security.data_keys import DataKeys, ValueUnreadable
from chassis.server.commands import plain_end
from chassis.settings import DataKeySettings

GROUP = 200
PAUSE_SECONDS = 0.02  # between two groups, and before a retry of rows that were locked
NOT_MIGRATED = {"42P01", "42703"}  # no such table, no such column
VERSION = "xmin::text AS version"  # of a row: changes with each update


@dataclass(frozen=True, slots=True)
class PersonalTable:
    """A table with encrypted columns. `start` maps the key columns to values below the first key.

    `page` takes the key columns of the last row, and `:limit`. It returns the key columns, `version` and the personal
    columns, in this order. `rewrite` returns a row's personal columns as they are written now, or None if they are current.
    It raises ValueUnreadable. `write` takes `:rows`, each with the key, `version` and those columns. It returns the
    changed rows: rows that still have that version and are not locked. `group`: the rows of a page.
    """

    name: str
    start: Mapping[str, Any]
    page: TextClause
    write: TextClause
    rewrite: Callable[[Any, DataKeys], Mapping[str, object] | None]
    group: int = GROUP


@dataclass(slots=True)
class Tally:
    """`missing`: the ids of keys that rows need, but that are missing or do not open the rows."""

    read: int = 0
    written: int = 0
    undecryptable: int = 0
    missing: set[str] = field(default_factory=set)


async def reencrypt(database: Database, table: PersonalTable, data_keys: DataKeys) -> Tally:
    """Processes every row of the table. Counts values that cannot be decrypted, and leaves them unchanged."""
    tally, after = Tally(), table.start
    while True:
        rows = await _page(database, table, after)
        changes, undecryptable, missing = _changes(table, rows, data_keys)
        written = await _write(database, table, changes) if changes else 0
        tally.written += written
        if written == len(changes):
            tally.read += len(rows)
            tally.undecryptable += undecryptable
            tally.missing |= missing
            if len(rows) < table.group:
                return tally
            after = {name: getattr(rows[-1], name) for name in table.start}
        await asyncio.sleep(PAUSE_SECONDS)


async def _page(database: Database, table: PersonalTable, after: Mapping[str, Any]) -> Sequence[Any]:
    async with database.begin() as connection:
        return (await connection.execute(table.page, {**after, "limit": table.group})).all()


async def _write(database: Database, table: PersonalTable, changes: Sequence[Mapping[str, object]]) -> int:
    async with database.begin() as connection:
        return len((await connection.execute(table.write, {"rows": to_json_text(changes)})).all())


def _changes(
    table: PersonalTable, rows: Sequence[Any], data_keys: DataKeys
) -> tuple[list[Mapping[str, object]], int, set[str]]:
    changes: list[Mapping[str, object]] = []
    missing: list[str] = []
    for row in rows:
        try:
            columns = table.rewrite(row, data_keys)
        except ValueUnreadable as error:
            missing.append(error.key_id or "")
            continue
        if columns is not None:
            changes.append({**{name: getattr(row, name) for name in (*table.start, "version")}, **columns})
    return changes, len(missing), set(missing)


def reencrypt_database(settings: DataKeySettings, tables: Sequence[PersonalTable]) -> None:
    """The command. Ends the process with status 1 and a clear line if some values could not be processed."""
    if settings.data_encryption_keys is None:
        raise SystemExit("DATA_ENCRYPTION_KEYS is not set: `id:key` encrypts, `plain,id:key` decrypts")
    configure_logs(level="CRITICAL")  # a line for each value that cannot be decrypted would hide the summary
    data_keys = DataKeys.parse(settings.data_encryption_keys.get_secret_value())
    try:
        with plain_end():
            whole = asyncio.run(_all(settings.database_url, tables, data_keys))
    except ServiceError as error:
        raise SystemExit(f"{error.message}. What was done stays; run it again") from None
    except ProgrammingError as error:
        if sqlstate_of(error) not in NOT_MIGRATED:
            raise
        raise SystemExit("The database is not at the newest revision: run `migrate` first") from None
    if not whole:
        raise SystemExit(1)


async def _all(url: str, tables: Sequence[PersonalTable], data_keys: DataKeys) -> bool:
    """Returns whether every row is current now."""
    database, whole = Database(url, pool_size=1), True
    try:
        for table in tables:
            tally = await reencrypt(database, table, data_keys)
            sys.stdout.write(f"{table.name}: {tally.read} rows, {tally.written} written anew\n")
            if tally.undecryptable:
                named = ", ".join(sorted(tally.missing))
                sys.stderr.write(
                    f"{table.name}: {tally.undecryptable} rows were left, their keys do not open them: {named}\n"
                )
                whole = False
    finally:
        await database.close()
    return whole
