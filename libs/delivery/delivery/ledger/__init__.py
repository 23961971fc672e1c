"""The ledger: one row per (notification, recipient) in the worker's own database, committed before anything is sent."""

from delivery.ledger.ledger import Ledger
from delivery.ledger.personal import personal_deliveries
from delivery.ledger.records import (
    AlreadyFinished,
    Claim,
    Claimed,
    ClaimResult,
    DeliveryKey,
    DeliveryRecord,
    NotADelivery,
    NotOwned,
    Owned,
    ToRequeue,
)
from delivery.ledger.repository import LedgerRepository
from delivery.ledger.tables import LedgerTables, ledger_tables

__all__ = [
    "AlreadyFinished",
    "Claim",
    "ClaimResult",
    "Claimed",
    "DeliveryKey",
    "DeliveryRecord",
    "Ledger",
    "LedgerRepository",
    "LedgerTables",
    "NotADelivery",
    "NotOwned",
    "Owned",
    "ToRequeue",
    "ledger_tables",
    "personal_deliveries",
]
