"""The gateway's audit trail. It holds no personal values: no fingerprints, no key."""

from api_gateway.models import AuditEvent
from chassis.audit import AuditTrail

TRAIL = AuditTrail(AuditEvent)
