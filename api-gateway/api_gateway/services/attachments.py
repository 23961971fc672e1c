"""The attachments of e-mails: their description in the message, and their contents for the worker that sends it."""

from collections.abc import Sequence
from uuid import UUID

from uuid_utils.compat import uuid7

from api_gateway.errors import AttachmentNotFound
from api_gateway.repositories import attachments
from api_gateway.repositories.accepting import NewNotification
from api_gateway.repositories.attachments import NewAttachment
from api_gateway.schemas.email_options import EmailOptions
from api_gateway.schemas.requests import NotificationRequest
from chassis.postgres.database import Database
from chassis.security.data_keys import DataKeys
from contracts import emails


def options_of(options: EmailOptions) -> emails.EmailOptions:
    """What is stored with the notification and sent to its worker. Each attachment gets an id."""
    return emails.EmailOptions(
        cc=tuple(options.cc),
        bcc=tuple(options.bcc),
        reply_to=options.reply_to,
        attachments=tuple(
            emails.AttachmentRef(
                id=uuid7(),
                filename=one.filename,
                content_type=one.content_type,
                size=len(one.data),
                sha256=one.sha256,
                disposition=one.shown,
                content_id=one.content_id,
            )
            for one in options.attachments
        ),
        provider=emails.ProviderOptions(tag=options.tag, stream=options.stream, metadata=options.metadata)
        if options.has_provider_options
        else None,
    )


def contents_of(request: NotificationRequest, row: NewNotification) -> Sequence[NewAttachment]:
    """The contents of the attachments that `row` names, in the same order."""
    if request.email is None or row.email_options is None:
        return ()
    named = row.email_options["attachments"]
    return [
        NewAttachment(UUID(ref["id"]), row.id, one.data)
        for ref, one in zip(named, request.email.attachments, strict=True)
    ]


class Attachments:
    def __init__(self, database: Database, data_keys: DataKeys) -> None:
        self._database = database
        self._data_keys = data_keys

    async def content(self, attachment_id: UUID) -> bytes:
        """Raises AttachmentNotFound, ValueUnreadable."""
        async with self._database.begin() as connection:
            found = await attachments.find(connection, attachment_id, data_keys=self._data_keys)
        if found is None:
            raise AttachmentNotFound
        return found
