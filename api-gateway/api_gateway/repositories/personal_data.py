"""Erases or exports the personal data in one user's notifications."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.repositories.personal import GIVEN_VARIABLES
from api_gateway.repositories.progress import WITH_GATEWAY_ONLY
from contracts.recipients import Channel
from contracts.status import Status

# Locks a page of the user's rows in the order of their ids, as all statements do. Personal values are removed whatever the
# status: a relay that takes such a row looks the user up again and finds none. Scheduled rows are cancelled; rows in progress
# end by their worker's report. `request_id` and `provider_message_id`, the sender's and the provider's ids, are kept with the
# counts. Without its hash, a repeat of the request is refused like a different request.
ERASE = text(f"""
WITH page AS (
    SELECT id, caller, request_id, {WITH_GATEWAY_ONLY} AS waits FROM notifications
    WHERE user_id = :user_id AND id > :after ORDER BY id LIMIT :limit FOR UPDATE
), keys AS (
    UPDATE idempotency_keys k SET body_hash = '' FROM page p
    WHERE k.caller = p.caller AND k.key = p.request_id AND k.notification_id = p.id AND k.body_hash <> ''
), attached AS (
    DELETE FROM attachments a USING page p WHERE a.notification_id = p.id
), erased AS (
    UPDATE notifications n SET variables = '{{}}', metadata = '{{}}', given_variables = '{{}}', given_metadata = '{{}}',
        recipient = NULL, given_recipient = NULL, email_options = NULL, overrides = NULL, detail = NULL,
        sealed_detail = NULL, devices = NULL,
        history = coalesce((SELECT jsonb_agg(step - 'detail' - 'sealed_detail' ORDER BY place)
                            FROM jsonb_array_elements(n.history) WITH ORDINALITY AS h(step, place)
                            WHERE step -> 'device' IS NULL), '[]'),
        status = CASE WHEN p.waits THEN 'cancelled' ELSE n.status END,
        code = CASE WHEN p.waits THEN 'user_erased' ELSE n.code END,
        due_at = CASE WHEN NOT p.waits THEN n.due_at END,
        ended_at = CASE WHEN p.waits THEN now() ELSE n.ended_at END,
        updated_at = CASE WHEN p.waits THEN now() ELSE n.updated_at END
    FROM page p WHERE n.id = p.id
    RETURNING n.id, n.notification_type, n.status, p.waits
)
SELECT id, notification_type, waits, status IN ('pending', 'queued') AS open FROM erased ORDER BY id
""")  # noqa: S608 - of constants

HAS_FAILED = text("""
SELECT 1 FROM notifications
WHERE user_id = :user_id AND (status = 'failed' OR history @> '[{"status": "failed"}]') LIMIT 1
""")

EXPORT = text(f"""
SELECT n.id, n.caller, n.notification_type, n.template_code, n.language, n.status, n.code, n.detail, n.sealed_detail,
    {GIVEN_VARIABLES}, n.recipient, n.overrides, n.created_at, n.queued_at, n.sent_at, n.ended_at
FROM notifications n
WHERE n.user_id = :user_id AND n.id > :after
  AND (CAST(:callers AS text[]) IS NULL OR n.caller = ANY(CAST(:callers AS text[])))
ORDER BY n.id LIMIT :limit
""")  # noqa: S608 - the columns are ours

ONE_AT_A_TIME = text("SELECT pg_try_advisory_xact_lock(hashtextextended('erasing from failed.queue', 0))")
FIRST_ID = UUID(int=0)


@dataclass(frozen=True, slots=True)
class ExportRow:
    """What is handed out of a notification. Personal values are as they are stored (`repositories.personal`)."""

    id: UUID
    caller: str
    notification_type: Channel
    template_code: str
    language: str | None
    status: Status
    code: str | None
    detail: str | None
    sealed_detail: str | None
    variables: str
    recipient: dict[str, Any] | str | None
    overrides: dict[str, Any] | str | None
    created_at: datetime
    queued_at: datetime | None
    sent_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class ErasedRow:
    """`cancelled`: cancelled by this statement, as it was not handed over yet. `open`: it has not ended yet."""

    id: UUID
    notification_type: str
    cancelled: bool
    open: bool


async def erase(connection: AsyncConnection, user_id: UUID, *, after: UUID, limit: int) -> list[ErasedRow]:
    """Erases the next `limit` notifications of the user after that id."""
    rows = await connection.execute(ERASE, {"user_id": user_id, "after": after, "limit": limit})
    return [ErasedRow(row.id, row.notification_type, row.waits, row.open) for row in rows]


async def has_failed(connection: AsyncConnection, user_id: UUID) -> bool:
    """Whether failed.queue may hold a message of the user."""
    return (await connection.execute(HAS_FAILED, {"user_id": user_id})).first() is not None


async def has_the_turn(connection: AsyncConnection) -> bool:
    """Whether no other process reads failed.queue until the transaction ends: messages that it holds would not be seen."""
    return bool((await connection.execute(ONE_AT_A_TIME)).scalar())


async def sent_to(
    connection: AsyncConnection, user_id: UUID, *, callers: Sequence[str] | None, after: UUID | None, limit: int
) -> Sequence[ExportRow]:
    """Oldest first; `callers` None: from every caller."""
    parameters = {
        "user_id": user_id,
        "callers": None if callers is None else list(callers),
        "after": after or FIRST_ID,
        "limit": limit,
    }
    return [ExportRow(**row) for row in (await connection.execute(EXPORT, parameters)).mappings()]
