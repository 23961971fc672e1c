"""The suppression list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.security.data_keys import DataKeys
from email_service.models import EmailSuppression

MASKED = "email_suppressions.masked"


@dataclass(frozen=True, slots=True)
class DeadAddress:
    """An address to be added to the list, in the form in which it is stored."""

    fingerprint: str
    masked: str
    reason: str
    origin: str = "delivery"


@dataclass(frozen=True, slots=True)
class Suppression:
    """`reason`: `bounced`, `complained`, `manual`, or another code of a refusal. `origin`: who found it out."""

    fingerprint: str
    masked: str
    reason: str
    origin: str
    created_at: datetime


async def add(connection: AsyncConnection, dead: Sequence[DeadAddress], *, keys: DataKeys) -> None:
    """An address on the list keeps its first reason. Rows are sorted, so that two workers cannot deadlock."""
    rows = [
        {
            "fingerprint": one.fingerprint,
            "masked": keys.write(MASKED, one.fingerprint, one.masked),
            "reason": one.reason,
            "origin": one.origin,
        }
        for one in sorted(dead, key=lambda one: one.fingerprint)
    ]
    await connection.execute(insert(EmailSuppression).on_conflict_do_nothing(), rows)


async def get(connection: AsyncConnection, fingerprint: str, *, keys: DataKeys) -> Suppression | None:
    """Raises ValueUnreadable."""
    found = await connection.execute(
        select(
            EmailSuppression.fingerprint,
            EmailSuppression.masked,
            EmailSuppression.reason,
            EmailSuppression.origin,
            EmailSuppression.created_at,
        ).where(EmailSuppression.fingerprint == fingerprint)
    )
    row = found.one_or_none()
    if row is None:
        return None
    masked = keys.read(MASKED, row.fingerprint, row.masked)
    return Suppression(row.fingerprint, masked, row.reason, row.origin, row.created_at)


async def remove(connection: AsyncConnection, fingerprint: str) -> bool:
    """Returns whether it was on the list."""
    removed = await connection.execute(delete(EmailSuppression).where(EmailSuppression.fingerprint == fingerprint))
    return removed.rowcount > 0
