"""The suppression list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, true
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.security.data_keys import DataKeys
from email_service.models import EmailSuppression

MASKED = "email_suppressions.masked"
COLUMNS = select(
    EmailSuppression.fingerprint,
    EmailSuppression.masked,
    EmailSuppression.reason,
    EmailSuppression.origin,
    EmailSuppression.notification_id,
    EmailSuppression.created_at,
)


# Arrays: a VALUES list of a thousand rows takes longer to compile than to run. Sorted, so that two workers cannot deadlock.
ADD = text("""
WITH added AS (
    INSERT INTO email_suppressions (fingerprint, masked, reason, origin, notification_id)
    SELECT * FROM unnest(CAST(:fingerprints AS text[]), CAST(:masked AS text[]), CAST(:reasons AS text[]),
        CAST(:origins AS text[]), CAST(:ids AS uuid[])) AS given(fingerprint, masked, reason, origin, notification_id)
    ORDER BY fingerprint
    ON CONFLICT DO NOTHING RETURNING 1
)
SELECT count(*) FROM added
""")


@dataclass(frozen=True, slots=True)
class SuppressedAddress:
    """An address to be added to the list, in the form in which it is stored. `notification_id`: whose mail showed it."""

    fingerprint: str
    masked: str
    reason: str
    origin: str = "delivery"
    notification_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Suppression:
    """`reason`: `bounced`, `complained`, `manual`, or another code of a refusal. `origin`: who found it out.
    `notification_id`: whose mail showed it, if one did and it is known."""

    fingerprint: str
    masked: str
    reason: str
    origin: str
    notification_id: UUID | None
    created_at: datetime


async def add(connection: AsyncConnection, dead: Sequence[SuppressedAddress], *, data_keys: DataKeys) -> int:
    """Returns how many are new. An address on the list keeps its first reason."""
    parameters = {
        "fingerprints": [one.fingerprint for one in dead],
        "masked": [data_keys.write(MASKED, one.fingerprint, one.masked) for one in dead],
        "reasons": [one.reason for one in dead],
        "origins": [one.origin for one in dead],
        "ids": [one.notification_id for one in dead],
    }
    return int(await connection.scalar(ADD, parameters) or 0)


async def get(connection: AsyncConnection, fingerprint: str, *, data_keys: DataKeys) -> Suppression | None:
    """Raises ValueUnreadable."""
    row = (await connection.execute(COLUMNS.where(EmailSuppression.fingerprint == fingerprint))).one_or_none()
    return None if row is None else _read(row, data_keys)


async def listed(connection: AsyncConnection, fingerprints: Sequence[str]) -> frozenset[str]:
    """Those of them that are on the list."""
    found = await connection.scalars(
        select(EmailSuppression.fingerprint).where(EmailSuppression.fingerprint.in_(fingerprints))
    )
    return frozenset(found)


async def page(
    connection: AsyncConnection, reason: str | None, *, limit: int, offset: int, data_keys: DataKeys
) -> tuple[list[Suppression], int]:
    """Newest first, and how many there are. Raises ValueUnreadable."""
    wanted = true() if reason is None else EmailSuppression.reason == reason
    order = (EmailSuppression.created_at.desc(), EmailSuppression.fingerprint.desc())
    rows = await connection.execute(COLUMNS.where(wanted).order_by(*order).limit(limit).offset(offset))
    total = await connection.scalar(select(func.count()).select_from(EmailSuppression).where(wanted))
    return [_read(row, data_keys) for row in rows], total or 0


async def after(
    connection: AsyncConnection, fingerprint: str, reason: str | None, *, limit: int, data_keys: DataKeys
) -> list[Suppression]:
    """The entries whose fingerprints follow this one, in their order. Raises ValueUnreadable."""
    wanted = true() if reason is None else EmailSuppression.reason == reason
    following = COLUMNS.where(EmailSuppression.fingerprint > fingerprint, wanted)
    rows = await connection.execute(following.order_by(EmailSuppression.fingerprint).limit(limit))
    return [_read(row, data_keys) for row in rows]


async def remove(connection: AsyncConnection, fingerprint: str) -> bool:
    """Returns whether it was on the list."""
    removed = await connection.execute(delete(EmailSuppression).where(EmailSuppression.fingerprint == fingerprint))
    return removed.rowcount > 0


def _read(row: Any, data_keys: DataKeys) -> Suppression:
    masked = data_keys.read(MASKED, row.fingerprint, row.masked)
    return Suppression(row.fingerprint, masked, row.reason, row.origin, row.notification_id, row.created_at)
