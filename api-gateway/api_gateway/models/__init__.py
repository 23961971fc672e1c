"""The gateway's tables."""

from api_gateway.models.notification import (
    AcceptedTotal,
    Base,
    IdempotencyKey,
    KnownIdentity,
    Notification,
    StatusChange,
    StatusTotal,
)

__all__ = ["AcceptedTotal", "Base", "IdempotencyKey", "KnownIdentity", "Notification", "StatusChange", "StatusTotal"]
