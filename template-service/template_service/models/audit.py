"""Who did what to templates."""

from chassis.audit import AuditColumns
from template_service.models.base import Base


class AuditEvent(AuditColumns, Base):
    """Written in the transaction of the change, and never changed."""

    __tablename__ = "template_audit_events"
