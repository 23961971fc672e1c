"""Who did what, to what, when and from where. An event is written in the transaction of the change that it tells of."""

from chassis.audit.actor import COMMAND, Acting, Actor, Stranger
from chassis.audit.events import NO_CHANGE, AuditEvent, AuditFindings, AuditQuestion, Change, Personal, changed
from chassis.audit.refusals import RefusedAttempts
from chassis.audit.routes import AUDIT_PATH, audit_routes
from chassis.audit.trail import AuditColumns, AuditTrail, sweep, sweeping

__all__ = [
    "AUDIT_PATH",
    "COMMAND",
    "NO_CHANGE",
    "Acting",
    "Actor",
    "AuditColumns",
    "AuditEvent",
    "AuditFindings",
    "AuditQuestion",
    "AuditTrail",
    "Change",
    "Personal",
    "RefusedAttempts",
    "Stranger",
    "audit_routes",
    "changed",
    "sweep",
    "sweeping",
]
