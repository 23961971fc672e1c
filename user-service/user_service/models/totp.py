"""Second factors."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from user_service.models.base import Base, Instant


class Totp(Base):
    """A user's secret for one-time codes (RFC 6238), encrypted; in force since `confirmed_at`.

    `last_step` is that of the last code that was taken: no code works twice. Recovery codes are kept as hashes, each until it
    is used.
    """

    __tablename__ = "user_totp"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    secret_encrypted: Mapped[str] = mapped_column(Text)
    recovery_hashes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    confirmed_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant, server_default=func.now())
