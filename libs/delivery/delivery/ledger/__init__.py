"""The ledger: one row per (notification, recipient) in the worker's own database, committed before anything is sent."""

from delivery.ledger.book import Ledger
from delivery.ledger.reencrypting import personal_deliveries
from delivery.ledger.repository import (
    AlreadyFinished,
    Claim,
    Claimed,
    ClaimResult,
    LedgerRepository,
    NotADelivery,
    NotOwned,
    Owned,
    Recorded,
    ToRequeue,
)
from delivery.ledger.tables import LedgerTables, ledger_tables

__all__ = [
    "AlreadyFinished",
    "Claim",
    "ClaimResult",
    "Claimed",
    "Ledger",
    "LedgerRepository",
    "LedgerTables",
    "NotADelivery",
    "NotOwned",
    "Owned",
    "Recorded",
    "ToRequeue",
    "ledger_tables",
    "personal_deliveries",
]
