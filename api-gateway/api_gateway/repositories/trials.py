"""The last notifications of a template, with what they were sent with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.repositories.personal import GIVEN_VARIABLES
from contracts.recipients import Channel

# Rows of an index, newest first: a search takes tens of milliseconds at most, and accepting pays for no further index.
MAX_EXAMINED = 5_000


@dataclass(frozen=True, slots=True)
class TrialFilter:
    """`caller` None: of all callers."""

    code: str
    language: str
    caller: str | None
    channel: Channel | None
    last: int


@dataclass(frozen=True, slots=True)
class SentRow:
    """`variables` is the JSON text as it is stored (`repositories.personal`)."""

    id: UUID
    caller: str
    notification_type: Channel
    created_at: datetime
    variables: str


# The inner query walks an index from its end, so the outer one stops as soon as it has enough. Rows whose recipient is gone
# were erased, or never had one: their variables say nothing.
_NEWEST = f"""
SELECT n.id, n.caller, n.notification_type, n.created_at, {GIVEN_VARIABLES}
FROM (SELECT * FROM notifications WHERE {{walked}} ORDER BY id DESC LIMIT {MAX_EXAMINED}) n
WHERE n.template_code = :code AND n.language = :language AND n.recipient IS NOT NULL
  AND (CAST(:caller AS text) IS NULL OR n.caller = :caller)
  AND (CAST(:channel AS text) IS NULL OR n.notification_type = :channel)
ORDER BY n.id DESC LIMIT :last
"""  # noqa: S608 - of constants
OF_TEMPLATE = text(_NEWEST.format(walked="template_code = :code"))
OF_CALLER = text(_NEWEST.format(walked="caller = :caller"))


async def newest(connection: AsyncConnection, wanted: TrialFilter) -> Sequence[SentRow]:
    """Newest first: of the template's last `MAX_EXAMINED` notifications and, for a caller who has few among them, of the
    caller's last ones."""
    parameters: dict[str, object] = {
        "code": wanted.code,
        "language": wanted.language,
        "caller": wanted.caller,
        "channel": wanted.channel,
        "last": wanted.last,
    }
    rows = await _rows(connection, OF_TEMPLATE, parameters)
    if wanted.caller is not None and len(rows) < wanted.last:
        known = {row.id for row in rows}
        rows += [row for row in await _rows(connection, OF_CALLER, parameters) if row.id not in known]
    return sorted(rows, key=lambda row: row.id, reverse=True)[: wanted.last]


async def _rows(connection: AsyncConnection, query: TextClause, parameters: dict[str, object]) -> list[SentRow]:
    return [SentRow(**row) for row in (await connection.execute(query, parameters)).mappings()]
