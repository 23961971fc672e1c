"""The user service's tables."""

from user_service.models.access import ApiKey, Application, Session, SigningKeyRow
from user_service.models.audit import AuditEvent
from user_service.models.base import Base, table_of
from user_service.models.erasures import Erasure
from user_service.models.mailed_tokens import MailedToken
from user_service.models.totp import Totp
from user_service.models.users import PushToken, User

__all__ = [
    "ApiKey",
    "Application",
    "AuditEvent",
    "Base",
    "Erasure",
    "MailedToken",
    "PushToken",
    "Session",
    "SigningKeyRow",
    "Totp",
    "User",
    "table_of",
]
