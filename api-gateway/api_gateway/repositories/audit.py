"""The gateway's audit trail. Nothing in it is personal: no fingerprints, no key."""

from api_gateway.models import AuditEvent
from chassis.audit import AuditTrail

TRAIL = AuditTrail(AuditEvent)
