"""People who were erased."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from user_service.models.base import Base, Instant


class Erasure(Base):
    """The receipt of one: counts and times, and nothing of the person but the id that the notifications keep.

    `application_id` is whose contact it was. `due_at` is when the gateway is asked again; NULL: it is complete.
    """

    __tablename__ = "erasures"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    application_id: Mapped[UUID | None]
    erased: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    requested_at: Mapped[datetime] = mapped_column(Instant, server_default=func.now())
    due_at: Mapped[datetime | None] = mapped_column(Instant, server_default=func.now())
    completed_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (Index("ix_erasures_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),)
