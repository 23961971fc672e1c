"""The ledger: one row per (notification, recipient) in the worker's own database, committed before anything is sent."""

from delivery.ledger.book import Ledger
from delivery.ledger.reencrypting import personal_deliveries
from delivery.ledger.repository import (
    Claim,
    Claimed,
    Closed,
    InOtherHands,
    LedgerRepository,
    NotADelivery,
    Owned,
    Recorded,
    Standing,
    ToRequeue,
)
from delivery.ledger.tables import LedgerTables, ledger_tables

__all__ = [
    "Claim",
    "Claimed",
    "Closed",
    "InOtherHands",
    "Ledger",
    "LedgerRepository",
    "LedgerTables",
    "NotADelivery",
    "Owned",
    "Recorded",
    "Standing",
    "ToRequeue",
    "ledger_tables",
    "personal_deliveries",
]
