"""The audit trail of this service: `await audit.record(connection, actor, "user.disabled", user_target(user_id))`."""

from collections.abc import Mapping
from uuid import UUID

from chassis.audit import AuditTrail, Change, Personal
from contracts.addresses import address_key
from user_service.derived_keys import derived_key
from user_service.models import AuditEvent
from user_service.repositories.applications import StoredApplication
from user_service.repositories.users import StoredUser


def audit_trail(secret: str) -> AuditTrail:
    """`secret` is SECRET_KEY. With another secret the same address gets another fingerprint."""
    return AuditTrail(AuditEvent, key=derived_key(secret, "user-service audit fingerprints"))


def user_target(user_id: UUID | str) -> str:
    return f"user:{user_id}"


def mailbox(email: str) -> Personal:
    """The same value for all spellings of one mailbox."""
    return Personal(address_key(email))


def _mailbox(email: str | None) -> Personal | None:
    return None if email is None else mailbox(email)


def application_fields(application: StoredApplication) -> Mapping[str, object]:
    """The fields of an application that an event records."""
    return {
        "name": application.name,
        "rate_limit_per_minute": application.rate_limit_per_minute,
        "channels": application.channels,
        "sender_name": application.sender_name,
        "sender_email": _mailbox(application.sender_email),
        "sender_reply_to": _mailbox(application.sender_reply_to),
        "disabled": application.disabled_at is not None,
    }


def user_fields(user: StoredUser) -> Mapping[str, object]:
    """The fields of a user that an event records."""
    return {
        "name": Personal(user.name),
        "email": mailbox(user.email),
        "role": user.role,
        "language": user.language,
        "wants_email": user.wants_email,
        "wants_push": user.wants_push,
        "unsubscribed": user.unsubscribed,
        "push_token": None if user.push_token is None else Personal(user.push_token),
        "disabled": user.disabled_at is not None,
        "is_contact": user.is_contact,
    }


def change_action(change: Change | None) -> str:
    """A new address has its own action, because mail goes there from then on."""
    return "user.address_changed" if change and "email" in change.after else "user.changed"
