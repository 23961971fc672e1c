"""Tables of users, devices, second factors, mailed tokens, erasures and audit events."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, func, text, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chassis.audit import AuditColumns
from user_service.models.base import Base, Instant


class User(Base):
    """`email` has its owner's spelling. `email_key` makes it unique (see `contracts.addresses`).

    A contact has no password and is no account. Its address is in `contact_key`, which several contacts may share.
    `application_id` is the application that added it, and `external_id` is that application's id for it.
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
    unsubscribed: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
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
    """One device of one user. `token` is an FCM token, a Web Push endpoint, or APNs' token; only the second has keys.

    `environment` is that of APNs, if the device was registered with one. NULL: the push service's APNS_ENVIRONMENT.
    `last_seen_at` is when it was registered last. NULL: not since the release that added the column.
    """

    __tablename__ = "user_push_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    provider: Mapped[str] = mapped_column(Text)
    token: Mapped[str] = mapped_column(Text)
    p256dh: Mapped[str | None] = mapped_column(Text)
    auth: Mapped[str | None] = mapped_column(Text)
    environment: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant, server_default=func.now())
    last_seen_at: Mapped[datetime | None] = mapped_column(Instant, server_default=func.now())

    __table_args__ = (
        # A device belongs to the user who registered it last. Otherwise an earlier user's notifications would appear on its
        # screen.
        UniqueConstraint("token"),
        UniqueConstraint("user_id", "token"),  # the previous release upserts with it; it also finds a user's devices
        CheckConstraint("provider IN ('fcm', 'web_push', 'apns')", name="provider"),
        CheckConstraint("(provider = 'web_push') = (p256dh IS NOT NULL AND auth IS NOT NULL)", name="keys"),
        CheckConstraint(
            "environment IS NULL OR (provider = 'apns' AND environment IN ('production', 'sandbox'))",
            name="environment",
        ),
    )


class Totp(Base):
    """A user's secret for one-time codes (RFC 6238), encrypted. It is in effect if `confirmed_at` is set.

    `last_step` is the time step of the last accepted code, so that no code works twice. Each recovery code is stored as a
    hash until it is used.
    """

    __tablename__ = "user_totp"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    secret_encrypted: Mapped[str] = mapped_column(Text)
    recovery_hashes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    confirmed_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant, server_default=func.now())


class MailedToken(Base):
    """A token, and its mail until the gateway has accepted it. `mail_due_at` is when the mail goes to the gateway next.

    The token is not stored: it is derived from `id` and SECRET_KEY, and recognised by its hash. A notice has no hash. When
    somebody requests a password reset for an address, `user_id` is found when the mail goes to the gateway.
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


class Erasure(Base):
    """The receipt of an erasure: counts and times, and of the person only the id that notifications keep.

    `application_id` is the application that owned the contact. `due_at` is when the gateway is asked again; NULL if
    complete.
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


class AuditEvent(AuditColumns, Base):
    """Written in the transaction of the change, and never changed afterwards."""

    __tablename__ = "user_audit_events"
