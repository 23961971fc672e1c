"""The suppression list, bounces, providers' events, and the ledger's tables (libs/delivery) in the same metadata."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Index, Integer, MetaData, Text, Uuid, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from delivery.ledger import ledger_tables


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"})


class EmailSuppression(Base):
    """An address that gets no mail any more. The row has its fingerprint, and a masked form, which may be encrypted
    (ADR 26), but not the address itself. `notification_id`: whose mail put it on the list."""

    __tablename__ = "email_suppressions"
    __table_args__ = (Index("ix_email_suppressions_created_at", "created_at", "fingerprint"),)

    fingerprint: Mapped[str] = mapped_column(Text, primary_key=True)
    masked: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    origin: Mapped[str] = mapped_column(Text, server_default="delivery")
    notification_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class EmailBounce(Base):
    """A delivery that came back (`failed`), that its recipient complained about (`complained`), or that its provider had not
    delivered yet when we did not know whether it has it (`delayed`): once in each round.
    """

    __tablename__ = "email_bounces"
    __table_args__ = (
        Index("ix_email_bounces_unreported", "created_at", postgresql_where=text("reported_at IS NULL")),
        Index("ix_email_bounces_created_at", "created_at"),
    )

    notification_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    recipient: Mapped[str] = mapped_column(Text, primary_key=True)
    replay: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    status: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    reported_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class EmailSoftBounce(Base):
    """How many times mails to an address came back in a row for reasons that may pass."""

    __tablename__ = "email_soft_bounces"

    fingerprint: Mapped[str] = mapped_column(Text, primary_key=True)
    bounces: Mapped[int] = mapped_column(Integer)
    last_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class EmailConfirmation(Base):
    """A delivery that its provider has confirmed, until that is reported to the gateway, after the delivery's end."""

    __tablename__ = "email_confirmations"
    __table_args__ = (Index("ix_email_confirmations_created_at", "created_at"),)

    notification_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    recipient: Mapped[str] = mapped_column(Text, primary_key=True)
    replay: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class EmailWebhookEvent(Base):
    """An event of a provider that was read, or a token that was used. `digest`: of the body that a token was used for."""

    __tablename__ = "email_webhook_events"
    __table_args__ = (Index("ix_email_webhook_events_created_at", "created_at"),)

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    digest: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


LEDGER = ledger_tables(Base.metadata, "email")
# Ids that providers gave. A delivery without one has our Message-ID, which is never searched for.
Index(
    "ix_email_deliveries_provider_message_id",
    LEDGER.deliveries.c.provider_message_id,
    postgresql_where=text("provider_message_id NOT LIKE '<%'"),
)
