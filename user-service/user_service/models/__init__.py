"""The user service's tables."""

from user_service.models.access import ApiKey, Application, Session, SigningKeyRow
from user_service.models.audit import AuditEvent
from user_service.models.base import Base, table_of
from user_service.models.users import PushToken, User

__all__ = ["ApiKey", "Application", "AuditEvent", "Base", "PushToken", "Session", "SigningKeyRow", "User", "table_of"]
