"""The user service's tables."""

from user_service.models.access import ApiKey, Application, Session, SigningKeyRow
from user_service.models.base import Base, table_of
from user_service.models.devices import RemovedDevice
from user_service.models.users import AuditEvent, Erasure, MailedToken, PushToken, Totp, User

__all__ = [
    "ApiKey",
    "Application",
    "AuditEvent",
    "Base",
    "Erasure",
    "MailedToken",
    "PushToken",
    "RemovedDevice",
    "Session",
    "SigningKeyRow",
    "Totp",
    "User",
    "table_of",
]
