"""E-mail, as the delivery engine sees it."""

from collections.abc import Sequence

import structlog

from chassis.errors import Unavailable
from contracts.addresses import InvalidAddress, Mailbox, parse_mailbox
from contracts.messages import NotificationMessage
from contracts.recipients import Channel, EmailRecipient, PushRecipient
from delivery.channel import Envelope, Target
from delivery.outcomes import Outcome, Permanent, Sent, Suppressed
from email_service.addresses import fingerprint, masked
from email_service.message import Letterhead
from email_service.repositories.suppressions import DeadAddress
from email_service.senders.smtp import SmtpSender
from email_service.senders.smtp_phases import Parcel
from email_service.suppression import SuppressionList
from templating import CompiledTemplate, RenderedEmail

log = structlog.get_logger()

KEY_DIGITS = 32


class EmailChannel:
    """One recipient a notification: the user's address at the time of sending."""

    name: Channel = "email"

    def __init__(
        self, sender: Mailbox, *, letterhead: Letterhead, smtp: SmtpSender, suppressed: SuppressionList
    ) -> None:
        self._sender = sender
        self._letterhead = letterhead
        self._smtp = smtp
        self._suppressed = suppressed

    def targets(self, recipient: EmailRecipient | PushRecipient) -> Sequence[Target[str]]:
        """A recipient of the wrong kind has no address: its notification fails visibly instead of having no target."""
        address = recipient.email if isinstance(recipient, EmailRecipient) else ""
        return [Target(key=fingerprint(address)[:KEY_DIGITS], name=recipient.name, address=address)]

    def render(self, template: CompiledTemplate, message: NotificationMessage) -> RenderedEmail:
        return template.render_email(message.variables)

    async def screen(self, target: Target[str]) -> Suppressed | None:
        return Suppressed("address_suppressed") if await self._suppressed.holds(fingerprint(target.address)) else None

    async def send(self, content: RenderedEmail, target: Target[str], envelope: Envelope) -> Outcome:
        try:
            mailbox = parse_mailbox(target.address)
        except InvalidAddress:
            return Permanent("invalid_address", "not one address")
        message = self._letterhead.write(content, target.name, mailbox, envelope)
        outcome = await self._smtp.send(Parcel(self._sender.spec, mailbox.spec, mailbox.needs_utf8, message))
        if outcome == Sent(None):  # the server named nothing: what a bounce will refer to
            return Sent(self._letterhead.message_id(envelope))
        return outcome

    async def settle(self, message: NotificationMessage, target: Target[str], outcome: Outcome) -> None:
        match outcome:
            case Permanent(code=code, dead_recipient=True):
                dead = DeadAddress(fingerprint(target.address), masked(target.address), code)
                try:
                    await self._suppressed.add(dead)
                except Unavailable:  # the notification has failed all the same, and the next one will bounce again
                    log.warning("suppression.not_written", notification_id=str(message.notification_id))

    async def close(self) -> None:
        await self._smtp.close()
        await self._suppressed.close()
