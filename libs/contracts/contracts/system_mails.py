"""Mails that the system itself sends: the user service hands them to the gateway, which accepts them as others."""

from uuid import UUID

from pydantic import AwareDatetime

from contracts.recipients import Contract, EmailRecipient

SYSTEM_CALLER = "service:"
"""What the caller of such a mail begins with; the service's name follows."""

SYSTEM_TEMPLATES = "system."
"""What the code of their templates begins with. Who writes one reads what opens accounts: administrators alone do."""

# Their templates: the template service makes those that are missing, the user service fills them in.
PASSWORD_RESET = "system.password_reset"  # noqa: S105 - a template's code
VERIFY_EMAIL = "system.verify_email"
CONFIRM_ADDRESS = "system.confirm_address"
ADDRESS_CHANGED = "system.address_changed"


class SystemMail(Contract):
    """Body of the gateway's `POST /internal/notifications`: a mail of a service of ours to the address that it names.

    The user's preferences and the recipient limit do not count: a person has asked for it, and the service that sends it
    bounds how many there are. The same `request_id` is accepted once.
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
