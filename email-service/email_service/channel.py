"""The e-mail channel of the delivery engine."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from chassis.errors import Unavailable
from chassis.postgres.database import Database
from contracts.addresses import InvalidAddress, fingerprint, masked, parse_mailbox
from contracts.emails import EmailOptions
from contracts.messages import NotificationMessage
from contracts.recipients import Channel, EmailRecipient, PushRecipient
from delivery.channel import Completed, DeliveryContext, Target
from delivery.outcomes import AccountRefused, Outcome, Permanent, Sent
from email_service.attachments import AttachmentStore
from email_service.extras import ExtendedEmail, Extras
from email_service.mails import MailWriter
from email_service.repositories.suppressions import SuppressedAddress
from email_service.repositories.webhooks import was_reported
from email_service.senders.smtp.dialogue import SmtpEnvelope
from email_service.senders.smtp.domains import domain_of
from email_service.senders.smtp.replies import OF_THE_SENDER
from email_service.senders.smtp.sender import Reserved, SmtpSender
from email_service.suppression import SuppressionList
from templating import CompiledTemplate, RenderedEmail

log = structlog.get_logger()

KEY_DIGITS = 32


class EmailChannel:
    """Each notification has one recipient: the user's address at the time of sending."""

    name: Channel = "email"
    suppression_list = "email_suppressions"

    def __init__(
        self,
        *,
        writer: MailWriter,
        senders: Mapping[str, SmtpSender],
        suppressed: SuppressionList,
        attachments: AttachmentStore,
        database: Database,
    ) -> None:
        """`senders`: the SMTP providers by name; each of them can send every mail. `database` has what they reported."""
        self._writer = writer
        self._senders = senders
        self._names = frozenset(senders)
        self._suppressed = suppressed
        self._attachments = attachments
        self._database = database

    def targets(self, recipient: EmailRecipient | PushRecipient) -> Sequence[Target[str]]:
        """A recipient of the wrong kind has no address: its notification fails visibly instead of having no target."""
        address = recipient.email if isinstance(recipient, EmailRecipient) else ""
        known_as = fingerprint(address)
        return [Target(known_as[:KEY_DIGITS], recipient.name, address, known_as, domain_of(address))]

    def render(self, template: CompiledTemplate, message: NotificationMessage) -> RenderedEmail:
        return template.render_email(message.variables)

    async def complete(self, content: RenderedEmail, message: NotificationMessage) -> Completed[RenderedEmail]:
        """Copies to suppressed addresses are left out."""
        wanted = message.email or EmailOptions()
        suppressed = await self._suppressed.listed([fingerprint(address) for address in (*wanted.cc, *wanted.bcc)])
        cc, bcc = (
            tuple(parse_mailbox(address) for address in kind if fingerprint(address) not in suppressed)
            for kind in (wanted.cc, wanted.bcc)
        )
        reserved = await self._attachments.reserve(wanted.attachments)
        try:
            attachments = await self._attachments.load(wanted.attachments)
        except BaseException:
            self._attachments.give_back(reserved)
            raise
        reply_to = None if wanted.reply_to is None else parse_mailbox(wanted.reply_to)
        extras = Extras(cc, bcc, reply_to, attachments, wanted.provider)
        extended = ExtendedEmail(content.subject, content.html, content.text, extras)
        return Completed(extended, lambda: self._attachments.give_back(reserved))

    def providers_for(self, target: Target[str]) -> frozenset[str]:  # noqa: ARG002 - the same for every recipient
        return self._names

    async def open_session(self, provider: str) -> "EmailSession":
        smtp = self._senders[provider]
        return EmailSession(self._writer, smtp, await smtp.reserve())

    async def was_taken(self, message: NotificationMessage) -> bool:
        async with self._database.begin() as connection:
            return await was_reported(connection, message.notification_id, message.replay)

    async def act_on_outcome(
        self,
        message: NotificationMessage,
        target: Target[str],
        outcome: Outcome,
        *,
        age_seconds: float,  # noqa: ARG002 - an address stays dead
    ) -> None:
        match outcome:
            case Permanent(code=code, dead_recipient=True):
                dead = SuppressedAddress(
                    fingerprint(target.address), masked(target.address), code, notification_id=message.notification_id
                )
                try:
                    await self._suppressed.add(dead)
                except Unavailable:  # the notification has failed anyway, and the next one will bounce again
                    log.warning("suppression.not_written", notification_id=str(message.notification_id))

    async def close(self) -> None:
        self._writer.close()
        for smtp in self._senders.values():
            await smtp.close()
        await self._suppressed.close()


class EmailSession:
    """One mail over one connection."""

    def __init__(self, writer: MailWriter, smtp: SmtpSender, reserved: Reserved) -> None:
        self._writer = writer
        self.smtp = smtp
        self._reserved: Reserved | None = reserved

    async def send(self, content: RenderedEmail, target: Target[str], context: DeliveryContext) -> Outcome:
        try:
            mailbox = parse_mailbox(target.address)
        except InvalidAddress:
            return Permanent("invalid_address", "not one address")
        copies: tuple[str, ...] = ()
        if isinstance(content, ExtendedEmail):
            content = content.without_copy_to(mailbox).for_service(self.smtp.service)
            copies = content.extras.copies
        try:
            message = await self._writer.write(content, target.name, mailbox, context)
        except InvalidAddress:  # the user service accepts no such address
            return Permanent("invalid_sender", "not one address")
        return_path = self._writer.return_path(context, target.fingerprint, copies=bool(copies))
        envelope = SmtpEnvelope(return_path, mailbox.spec, mailbox.needs_utf8, message, copies)
        reserved, self._reserved = self._reserved or await self.smtp.reserve(), None
        outcome = await self.smtp.send(envelope, reserved)
        if isinstance(outcome, AccountRefused) and outcome.code in OF_THE_SENDER and _has_own_address(context):
            # The address of one application must not stop the mails of other applications.
            return replace(outcome, affects_all=False)
        if outcome == Sent(None):  # the server returned no id: a bounce refers to our Message-ID
            return Sent(self._writer.message_id(context))
        return outcome

    def close(self) -> None:
        if self._reserved is not None:
            self.smtp.give_back(self._reserved)
            self._reserved = None


def _has_own_address(context: DeliveryContext) -> bool:
    return context.sender is not None and context.sender.from_email is not None
