"""Tokens that are mailed: who has one reads the mail of its address."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from user_service.models.base import Base, Instant


class MailedToken(Base):
    """A token and, until the gateway has accepted it, its mail: `mail_due_at` is when that is to be handed over.

    The token itself is nowhere: it follows from `id` and SECRET_KEY, and is recognised by its hash. A notice has none. Of a
    new password for an address that may be anybody's, `user_id` is found when the mail is handed over.
    """

    __tablename__ = "mailed_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(Text)
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(Text)
    token_hash: Mapped[str | None] = mapped_column(Text)
    mail_due_at: Mapped[datetime | None] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    created_at: Mapped[datetime] = mapped_column(Instant, server_default=func.now())

    __table_args__ = (
        UniqueConstraint("token_hash"),
        Index("ix_mailed_tokens_mail_due_at", "mail_due_at", postgresql_where=text("mail_due_at IS NOT NULL")),
    )
