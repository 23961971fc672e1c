"""Users and their devices."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, func, true
from sqlalchemy.orm import Mapped, mapped_column

from user_service.models.base import Base, Instant


class User(Base):
    """`email` is as its owner writes it, `email_key` what makes it unique (see `contracts.addresses`).

    A contact has no password and is no account: its address is in `contact_key` instead, which others may share, and with
    `application_id` it is the application's that brought it, by its `external_id`.
    """

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text)
    email_key: Mapped[str | None] = mapped_column(Text)
    contact_key: Mapped[str | None] = mapped_column(Text, index=True)
    password_hash: Mapped[str | None] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(Text)
    wants_email: Mapped[bool] = mapped_column(server_default=true())
    wants_push: Mapped[bool] = mapped_column(server_default=true())
    last_login_at: Mapped[datetime | None] = mapped_column(Instant)
    email_verified_at: Mapped[datetime | None] = mapped_column(Instant)
    disabled_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(Instant, server_default=func.now())

    application_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("applications.id", ondelete="SET NULL", use_alter=True)
    )
    external_id: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("email_key"),
        Index("uq_users_application_id_external_id", "application_id", "external_id", unique=True),
        CheckConstraint("role IN ('admin', 'user')", name="role"),
    )


class PushToken(Base):
    """One device of one user. `token` is an FCM token or a Web Push endpoint; only the latter has keys."""

    __tablename__ = "user_push_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    provider: Mapped[str] = mapped_column(Text)
    token: Mapped[str] = mapped_column(Text)
    p256dh: Mapped[str | None] = mapped_column(Text)
    auth: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant, server_default=func.now())

    __table_args__ = (
        # A device has one user: whoever registered it last. Else what is for the earlier one would appear on its screen.
        UniqueConstraint("token"),
        UniqueConstraint(
            "user_id", "token"
        ),  # the release before this one writes by it; it also finds a user's devices
        CheckConstraint("provider IN ('fcm', 'web_push')", name="provider"),
        CheckConstraint("(provider = 'web_push') = (p256dh IS NOT NULL AND auth IS NOT NULL)", name="keys"),
    )
