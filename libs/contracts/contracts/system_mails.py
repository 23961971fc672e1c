"""Mails that the system itself sends. The user service passes them to the gateway, which accepts them like any
notification.
"""

from uuid import UUID

from pydantic import AwareDatetime

from contracts.recipients import Contract, EmailRecipient

SYSTEM_CALLER = "service:"
"""What the caller of such a mail begins with; the service's name follows."""

SYSTEM_TEMPLATES = "system."
"""The prefix of their templates' codes. Authors of templates see the mailed tokens, so only administrators edit these."""

# Their templates. The template service creates the missing ones; the user service provides the variables.
PASSWORD_RESET = "system.password_reset"  # noqa: S105 - a template's code
VERIFY_EMAIL = "system.verify_email"
CONFIRM_ADDRESS = "system.confirm_address"
ADDRESS_CHANGED = "system.address_changed"


class SystemMail(Contract):
    """Body of the gateway's `POST /internal/notifications`: a mail of one of our services to the given address.

    The user's preferences and the recipient limit do not apply: a person has requested the mail, and the sending service
    limits the number. The same `request_id` is accepted once.
    """

    request_id: str
    user_id: UUID
    recipient: EmailRecipient
    template_code: str
    language: str | None = None
    variables: dict[str, str]
    expires_at: AwareDatetime


def is_system_caller(caller: str) -> bool:
    return caller.startswith(SYSTEM_CALLER)
