"""Who did what to users, sessions, applications and keys."""

from chassis.audit import AuditColumns
from user_service.models.base import Base


class AuditEvent(AuditColumns, Base):
    """Written in the transaction of the change, and never changed."""

    __tablename__ = "user_audit_events"
