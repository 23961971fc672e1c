"""The contents of attachments, sealed while personal values are encrypted."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from api_gateway.models import Attachment
from api_gateway.repositories.personal import ATTACHMENT
from chassis.security.data_keys import DataKeys, StoredBytes


@dataclass(frozen=True, slots=True)
class NewAttachment:
    id: UUID
    notification_id: UUID
    content: bytes


async def add(connection: AsyncConnection, new: Sequence[NewAttachment], *, data_keys: DataKeys) -> None:
    """One after the other, so that they are not all copied in memory at once."""
    for one in new:
        stored = data_keys.write_bytes(ATTACHMENT, one.id, one.content)
        await connection.execute(
            insert(Attachment).values(
                id=one.id, notification_id=one.notification_id, content=stored.content, key=stored.key
            )
        )


async def remove(connection: AsyncConnection, notification_id: UUID) -> None:
    await connection.execute(delete(Attachment).where(Attachment.notification_id == notification_id))


async def find(connection: AsyncConnection, attachment_id: UUID, *, data_keys: DataKeys) -> bytes | None:
    """Raises ValueUnreadable."""
    query = select(Attachment.content, Attachment.key).where(Attachment.id == attachment_id)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else data_keys.read_bytes(ATTACHMENT, attachment_id, StoredBytes(row.content, row.key))
