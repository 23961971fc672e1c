"""Who cancelled, retried and replayed notifications, and who was refused."""

from api_gateway.models.notification import Base
from chassis.audit import AuditColumns


class AuditEvent(AuditColumns, Base):
    """Written in the transaction of the change, and never changed."""

    __tablename__ = "gateway_audit_events"
