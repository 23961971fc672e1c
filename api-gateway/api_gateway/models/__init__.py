"""The gateway's tables."""

from api_gateway.models.audit import AuditEvent
from api_gateway.models.notification import (
    AcceptedTotal,
    Base,
    IdempotencyKey,
    KnownIdentity,
    Notification,
    StatusChange,
    StatusTotal,
)

__all__ = [
    "AcceptedTotal",
    "AuditEvent",
    "Base",
    "IdempotencyKey",
    "KnownIdentity",
    "Notification",
    "StatusChange",
    "StatusTotal",
]
