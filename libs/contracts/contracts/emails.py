"""What an e-mail notification may carry beside its recipient: copies, a Reply-To, attachments, its provider's options."""

from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from contracts.recipients import Contract

MAX_COPIES: Final = 10  # of each kind
MAX_ATTACHMENTS: Final = 10
# Of all attachments of a mail, decoded. In base64 with its line ends that is 10 MB, which most mail servers take.
MAX_ATTACHMENT_BYTES: Final = 7 * 1024 * 1024
MAX_METADATA: Final = 9  # Postmark takes ten; one is the notification's id
ATTACHMENT_NOT_FOUND: Final = "attachment_not_found"  # the error of the gateway's answer, a 404

Disposition = Literal["attachment", "inline"]

# What Postmark, SES, SendGrid and Mailgun all take; as headers they need no encoding, and end no line.
Tag = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_-]+$")]
Stream = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
MetadataName = Annotated[str, StringConstraints(max_length=20, pattern=r"^[a-z][a-z0-9_-]*$")]
MetadataValue = Tag


class AttachmentRef(Contract):
    """An attachment whose content the gateway keeps: `GET /internal/attachments/{id}`. `size` in bytes.

    `content_id`: the HTML part shows it as `cid:<content_id>`.
    """

    id: UUID
    filename: str
    content_type: str
    size: int
    sha256: str
    disposition: Disposition = "attachment"
    content_id: str | None = None


class ProviderOptions(Contract):
    """What the provider of a mail should do with it; workers of the previous release ignore it."""

    tag: Tag | None = None
    stream: Stream | None = None
    metadata: dict[MetadataName, MetadataValue] = Field(default_factory=dict, max_length=MAX_METADATA)


class EmailOptions(Contract):
    """`reply_to` overrides that of the application's sender. No address occurs twice."""

    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: str | None = None
    attachments: tuple[AttachmentRef, ...] = ()
    provider: ProviderOptions | None = None
