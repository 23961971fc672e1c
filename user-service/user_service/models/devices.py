"""Table of the devices that users no longer have."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from user_service.models.base import Base, Instant


class RemovedDevice(Base):
    """A device that `user_id` no longer has: without its token, which only `fingerprint` recognises.

    It has no foreign key: checking one locks the user's row after the device's row, and registering a device takes these
    locks in the other order. Deleting a user deletes these rows, too.
    """

    __tablename__ = "removed_devices"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    provider: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    last_seen_at: Mapped[datetime] = mapped_column(Instant)
    removed_at: Mapped[datetime] = mapped_column(Instant, server_default=func.now())
    removed_because: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        Index(None, "user_id", "removed_at"),
        CheckConstraint(
            "removed_because IN ('unregistered', 'replaced', 'moved', 'by_user', 'by_application', 'by_admin')",
            name="removed_because",
        ),
    )
