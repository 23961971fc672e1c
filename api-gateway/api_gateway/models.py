"""The gateway's tables."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.audit import AuditColumns

Instant = DateTime(timezone=True)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"},
    )


class Notification(Base):
    """One accepted notification.

    `due_at` is the time at which a relay has to look at the row: its `send_at`, the end of the accepting process's lease, or
    the next look-up of a recipient or template. NULL: the gateway has nothing left to do. `leased_by` names the process that
    may have published the row; it is cleared only when the row was certainly not published.

    `given_variables` and `given_metadata` hold the original text. `variables` and `metadata` hold the same for gateways of
    the previous release, which know no other columns, and are read if an older gateway wrote the row (ADR 16).

    While personal values are encrypted, `given_variables`, `given_metadata`, `recipient`, `sender`, `email_options` and
    `overrides` are JSON strings and not objects, `variables` and `metadata` are empty objects, and `sealed_detail` replaces
    `detail` (ADR 26).
    """

    __tablename__ = "notifications"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    caller: Mapped[str] = mapped_column(Text)
    request_id: Mapped[str] = mapped_column(Text)
    correlation_id: Mapped[str] = mapped_column(Text)
    trace_context: Mapped[str | None] = mapped_column(Text)  # a W3C traceparent, if tracing is on
    notification_type: Mapped[str] = mapped_column(String(16))
    user_id: Mapped[UUID]
    template_code: Mapped[str] = mapped_column(Text)
    template_version: Mapped[int | None] = mapped_column(Integer)
    language: Mapped[str | None] = mapped_column(Text)
    variables: Mapped[dict[str, Any]] = mapped_column(JSONB)
    details: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB)
    given_variables: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    given_metadata: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    priority: Mapped[int] = mapped_column(SmallInteger)
    recipient: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    given_recipient: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # `to` of the request
    sender: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # the application's own sender of an e-mail
    email_options: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # copies, Reply-To, attachments without content
    overrides: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # what the caller changed in the message

    status: Mapped[str] = mapped_column(String(16))
    code: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    sealed_detail: Mapped[str | None] = mapped_column(Text)
    provider_message_id: Mapped[str | None] = mapped_column(Text)
    provider: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    replay: Mapped[int] = mapped_column(Integer, server_default=text("0"))

    created_at: Mapped[datetime] = mapped_column(Instant, server_default=func.now())
    send_at: Mapped[datetime | None] = mapped_column(Instant)
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    delivery_guarantee: Mapped[str] = mapped_column(String(16), server_default=text("'at_least_once'"))
    due_at: Mapped[datetime | None] = mapped_column(Instant)
    leased_by: Mapped[str | None] = mapped_column(Text)
    queued_at: Mapped[datetime | None] = mapped_column(Instant)
    first_reported_at: Mapped[datetime | None] = mapped_column("claimed_at", Instant)  # a worker's first report
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant, server_default=func.now())
    history: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    devices: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)  # those that have ended, if it has several
    held_by: Mapped[UUID | None]  # the hold because of which a pending row waits (see repositories/held_rows.py)
    held_at: Mapped[datetime | None] = mapped_column(Instant)  # when it was held last

    __table_args__ = (
        # For the relay: due rows, highest priority first (see repositories/outbox.py).
        Index("ix_notifications_due", "priority", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        # For the search for messages that the broker lost.
        Index(
            "ix_notifications_waiting",
            "notification_type",
            "priority",
            "queued_at",
            postgresql_where=text("status = 'queued'"),
        ),
        # For holds: what is held, highest priority first.
        Index(
            "ix_notifications_held",
            "held_by",
            text("priority DESC"),
            "id",
            postgresql_include=["notification_type"],
            postgresql_where=text("held_by IS NOT NULL AND status = 'pending'"),
        ),
        # For the list's filters. Ids are time-ordered (UUID version 7), so each index also gives "newest first".
        Index("ix_notifications_user_id_id", "user_id", "id"),
        Index("ix_notifications_caller_id", "caller", "id"),
        Index("ix_notifications_status_id_channel", "status", "id", postgresql_include=["notification_type"]),
        Index("ix_notifications_notification_type_id", "notification_type", "id"),
        Index("ix_notifications_template_code_id", "template_code", "id"),
        Index("ix_notifications_request_id", "request_id"),
    )


class Attachment(Base):
    """The content of an attachment, in a table of its own: only the worker that sends it reads it. Goes with its
    notification. `key`: the id of the key that it is encrypted with (ADR 26); NULL: it is plain.

    Written before its notification, in the same transaction, so the constraint is checked at the commit.
    """

    __tablename__ = "attachments"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    notification_id: Mapped[UUID] = mapped_column(
        ForeignKey(
            "notifications.id",
            name="fk_attachments_notification_id",
            ondelete="CASCADE",
            deferrable=True,
            initially="DEFERRED",
        ),
        index=True,
    )
    content: Mapped[bytes] = mapped_column(LargeBinary)
    key: Mapped[str | None] = mapped_column(Text)


class IdempotencyKey(Base):
    """The request of a caller's `request_id`, and the first answer to it. `body_hash` may be encrypted (ADR 26)."""

    __tablename__ = "idempotency_keys"

    caller: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    notification_id: Mapped[UUID]
    body_hash: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(Instant, server_default=func.now())


class AcceptedTotal(Base):
    """How many notifications were accepted, counted in the accepting transaction itself: the left side of the proof.

    One row per channel and writer (a gateway process), so that processes do not wait for each other.
    """

    __tablename__ = "accepted_totals"

    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    writer: Mapped[str] = mapped_column(Text, primary_key=True)
    accepted: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class StatusTotal(Base):
    """How many notifications have each status: the right side of the proof, without reading every row.

    The totals lack the changes that are still in `status_changes`.
    """

    __tablename__ = "status_totals"

    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    status: Mapped[str] = mapped_column(String(16), primary_key=True)
    total: Mapped[int] = mapped_column(BigInteger)


class StatusChange(Base):
    """A change to those totals; a trigger on `notifications` writes it in the same transaction."""

    __tablename__ = "status_changes"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    channel: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    change: Mapped[int] = mapped_column(BigInteger)


class Statistic(Base):
    """A figure of the notifications that a caller had accepted from `at` on, for one step of a period: see
    `repositories.statistics`. `caller` '': of all callers. Behind by `statistics_changes`.
    """

    __tablename__ = "statistics"

    period: Mapped[str] = mapped_column(String(8), primary_key=True)
    caller: Mapped[str] = mapped_column(Text, primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    figure: Mapped[str] = mapped_column(String(16), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_statistics_period_at", "period", "at"),)


class StatisticChange(Base):
    """A change to those figures; a trigger on `notifications` writes it in the same transaction. `at`: the minute in which
    the notifications were accepted.
    """

    __tablename__ = "statistics_changes"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
    caller: Mapped[str] = mapped_column(Text)
    channel: Mapped[str] = mapped_column(String(16))
    figure: Mapped[str] = mapped_column(String(16))
    change: Mapped[int] = mapped_column(BigInteger)


class Hold(Base):
    """Notifications that match every column that is not NULL wait while the hold stands; or workers do not call `provider`.
    `test`: of the application's test keys, or of its live keys. `outcome`: `released` or `cancelled`. `renewed`: they were
    released with recipient and template looked up again, with `template_version` or the active version.
    """

    __tablename__ = "holds"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    template_code: Mapped[str | None] = mapped_column(Text)
    application_id: Mapped[UUID | None]
    test: Mapped[bool | None]
    notification_type: Mapped[str | None] = mapped_column(String(16))
    provider: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant, server_default=func.now())
    ended_by: Mapped[str | None] = mapped_column(Text)
    ended_at: Mapped[datetime | None] = mapped_column(Instant, index=True)
    outcome: Mapped[str | None] = mapped_column(String(16))
    renewed: Mapped[bool] = mapped_column(server_default=text("false"))
    template_version: Mapped[int | None] = mapped_column(Integer)

    __table_args__ = (
        # One hold of each target stands at a time.
        Index(
            "ix_holds_standing",
            "template_code",
            "application_id",
            "test",
            "notification_type",
            "provider",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
            postgresql_nulls_not_distinct=True,
        ),
    )


class KnownIdentity(Base):
    """The user service's last answer about an API key, or its signing keys: the gateway's copy for when it is down."""

    __tablename__ = "known_identities"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    confirmed_at: Mapped[datetime] = mapped_column(Instant, server_default=func.now())


class AuditEvent(AuditColumns, Base):
    """Written in the transaction of the change, and never updated."""

    __tablename__ = "gateway_audit_events"
