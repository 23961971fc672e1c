"""Who e-mails are from: the senders of applications and of templates, and which of them counts."""

from collections.abc import Collection, Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from chassis.errors import Unprocessable
from chassis.fields import listed
from chassis.security import Sender
from contracts.addresses import Email, parse_mailbox


class SenderDomainNotAllowed(Unprocessable):
    code = "sender_domain_not_allowed"
    message = "The domain of this sender is not in SENDER_DOMAINS"
    field = "sender.from_email"


def _in_ascii(email: str) -> str:
    if parse_mailbox(email).needs_utf8:
        raise ValueError("must be ASCII before the @: else every mail server on the way would have to support SMTPUTF8")
    return email


def _on_the_wire(domains: Sequence[str]) -> tuple[str, ...]:
    """The domains in the form in which they are compared. Raises InvalidAddress."""
    return tuple(parse_mailbox(f"noreply@{domain}").domain for domain in domains)


SenderEmail = Annotated[Email, AfterValidator(_in_ascii)]
SenderDomains = Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed), AfterValidator(_on_the_wire)]
"""The setting SENDER_DOMAINS."""


def check_domain(from_email: str | None, allowed: Collection[str]) -> None:
    """Raises SenderDomainNotAllowed."""
    if from_email is not None and parse_mailbox(from_email).domain not in allowed:
        raise SenderDomainNotAllowed


def sender_for(template: Sender | None, application: Sender | None) -> Sender | None:
    """Field by field the template's, else the application's. None and empty fields: the deployment's."""
    if template is None or application is None:
        return template or application
    return Sender(
        from_name=application.from_name if template.from_name is None else template.from_name,
        from_email=application.from_email if template.from_email is None else template.from_email,
        reply_to=application.reply_to if template.reply_to is None else template.reply_to,
    )
