"""The ledger: one row per (notification, recipient) in the worker's own database, committed before anything is sent."""

from delivery.ledger.ledger import Ledger
from delivery.ledger.personal import personal_deliveries
from delivery.ledger.records import (
    AddedTooLate,
    AlreadyFinished,
    Claim,
    Claimed,
    ClaimResult,
    DeliveryKey,
    DeliveryRecord,
    NotOwned,
    Owned,
    ToRequeue,
)
from delivery.ledger.repository import LedgerRepository
from delivery.ledger.tables import LedgerTables, ledger_tables

__all__ = [
    "AddedTooLate",
    "AlreadyFinished",
    "Claim",
    "ClaimResult",
    "Claimed",
    "DeliveryKey",
    "DeliveryRecord",
    "Ledger",
    "LedgerRepository",
    "LedgerTables",
    "NotOwned",
    "Owned",
    "ToRequeue",
    "ledger_tables",
    "personal_deliveries",
]
