"""Who did what, to what, when and from where. An event is written in the transaction of the change that it describes."""

from chassis.audit.events import (
    COMMAND,
    NO_CHANGE,
    Acting,
    Actor,
    AuditEvent,
    AuditFindings,
    AuditQuestion,
    Change,
    Personal,
    Stranger,
    changed,
)
from chassis.audit.http import AUDIT_PATH, RefusedAttempts, audit_routes
from chassis.audit.trail import AuditColumns, AuditTrail, retention_task, sweep

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
    "retention_task",
    "sweep",
]
