"""The proof, the audit trail, health, and suppressed addresses."""

from datetime import datetime
from typing import Any

from notifications.answers.base import AnswerModel


class LedgerCheck(AnswerModel):
    since: datetime
    deliveries: dict[str, int]
    sent_by_gateway: int
    sent_by_ledger: int
    unfounded: int
    unreported: int


class ChannelTotals(AnswerModel):
    accepted: int
    by_status: dict[str, int]
    unaccounted: int
    held: int = 0
    ledger: LedgerCheck | None


class Reconciliation(AnswerModel):
    """`unaccounted` is 0: every accepted notification is in some status."""

    accepted: int
    unaccounted: int
    channels: dict[str, ChannelTotals]


class AuditEvent(AnswerModel):
    id: str
    service: str
    actor: str
    api_key_id: str | None
    action: str
    target: str
    before: dict[str, Any]
    after: dict[str, Any]
    address: str | None
    correlation_id: str
    occurred_at: datetime


class DependencyState(AnswerModel):
    status: str
    essential: bool
    latency_ms: float
    error: str | None


class Health(AnswerModel):
    """`status` is healthy, degraded (it works, with restrictions) or unhealthy."""

    status: str
    service: str
    version: str | None = None
    uptime_seconds: float
    dependencies: dict[str, DependencyState]


class ServiceHealth(AnswerModel):
    """`status` is healthy, degraded, unhealthy, or unreachable: then nothing else is known."""

    service: str
    status: str
    version: str | None
    uptime_seconds: float | None
    latency_ms: float | None
    dependencies: dict[str, DependencyState]


class SystemHealth(AnswerModel):
    """One process of each service answered."""

    checked_at: datetime
    services: list[ServiceHealth]


class Suppression(AnswerModel):
    """An address that gets no mail. `fingerprint` is its SHA-256, `masked` is for people. `notification_id`: whose mail
    showed it, if one did."""

    fingerprint: str
    masked: str
    reason: str
    origin: str
    notification_id: str | None = None
    created_at: datetime


class SuppressionsAdded(AnswerModel):
    """`added` were not on the list before."""

    added: int


class SuppressionsImported(SuppressionsAdded):
    rows: int
