"""The suppression list, and the ledger's tables (libs/delivery) in the same metadata."""

from datetime import datetime

from sqlalchemy import DateTime, MetaData, Text, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from delivery.ledger import ledger_tables


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"})


class EmailSuppression(Base):
    """An address that gets no mail any more. The row has its fingerprint, and a masked form, which may be encrypted
    (ADR 26), but not the address itself."""

    __tablename__ = "email_suppressions"

    fingerprint: Mapped[str] = mapped_column(Text, primary_key=True)
    masked: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


LEDGER = ledger_tables(Base.metadata, "email")
