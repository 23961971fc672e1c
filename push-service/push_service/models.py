"""The push service's tables: its delivery ledger."""

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from delivery.ledger import ledger_tables


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"},
    )


LEDGER = ledger_tables(Base.metadata, "push")
