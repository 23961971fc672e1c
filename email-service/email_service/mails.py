"""A mail to send: its bytes, its signatures, and the address that bounces go to."""

import asyncio

from contracts.addresses import Mailbox
from delivery.channel import DeliveryContext
from email_service.bounces.return_path import ReturnPath
from email_service.dkim.signing import DkimSigner
from email_service.extras import ExtendedEmail
from email_service.mime import MessageBuilder
from templating import RenderedEmail


class MailWriter:
    """Writes and signs messages. Without `bounces`, bounces go to the sender's own address."""

    def __init__(self, builder: MessageBuilder, signer: DkimSigner, bounces: ReturnPath | None = None) -> None:
        self._builder = builder
        self._signer = signer
        self._bounces = bounces
        self.message_id = builder.message_id

    async def write(self, content: RenderedEmail, name: str, mailbox: Mailbox, context: DeliveryContext) -> bytes:
        """The signed message. Raises InvalidAddress for the context's `sender`."""
        if isinstance(content, ExtendedEmail) and content.extras.attachments:  # 7 MB take 0.1 s
            return await asyncio.to_thread(self._write_and_sign, content, name, mailbox, context)
        message = self._builder.write(content, name, mailbox, context)
        return await self._signer.signed(message, self._builder.from_domain(context))

    def _write_and_sign(self, content: RenderedEmail, name: str, mailbox: Mailbox, context: DeliveryContext) -> bytes:
        message = self._builder.write(content, name, mailbox, context)
        return self._signer.signed_here(message, self._builder.from_domain(context))

    def return_path(self, context: DeliveryContext, fingerprint: str | None, *, copies: bool = False) -> str:
        """The address for bounces, the same in every attempt. `copies`: the mail goes to further addresses, too."""
        if self._bounces is None or fingerprint is None:
            return self._builder.sender.spec
        return self._bounces.address(context.notification_id, fingerprint, copies=copies)

    def close(self) -> None:
        self._signer.close()
