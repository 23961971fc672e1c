"""What an e-mail notification may carry beside its recipient: copies, a Reply-To, and attachments."""

from typing import Final, Literal
from uuid import UUID

from contracts.recipients import Contract

MAX_COPIES: Final = 10  # of each kind
MAX_ATTACHMENTS: Final = 10
# Of all attachments of a mail, decoded. In base64 with its line ends that is 10 MB, which most mail servers take.
MAX_ATTACHMENT_BYTES: Final = 7 * 1024 * 1024
ATTACHMENT_NOT_FOUND: Final = "attachment_not_found"  # the error of the gateway's answer, a 404

Disposition = Literal["attachment", "inline"]


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


class EmailOptions(Contract):
    """`reply_to` overrides that of the application's sender. No address occurs twice."""

    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: str | None = None
    attachments: tuple[AttachmentRef, ...] = ()
