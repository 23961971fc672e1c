"""What a mail has besides its content: copies, a Reply-To, attachments, and headers for its provider."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from email.message import MIMEPart
from email.policy import SMTP

from contracts.addresses import Mailbox
from contracts.emails import AttachmentRef, ProviderOptions
from email_service.attachments import LoadedAttachment
from email_service.provider_headers import MailService
from templating import RenderedEmail

RELATED, MIXED = b"=_related_of_one_notification", b"=_mixed_of_one_notification"


@dataclass(frozen=True, slots=True)
class Extras:
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: Mailbox | None = None
    attachments: tuple[LoadedAttachment, ...] = ()
    provider: ProviderOptions | None = None
    headers: tuple[tuple[str, str], ...] = ()  # what the provider that sends it reads of `provider`

    @property
    def copies(self) -> tuple[str, ...]:
        """The addresses that get a copy, for the envelope."""
        return tuple(mailbox.spec for mailbox in (*self.cc, *self.bcc))


NO_EXTRAS = Extras()


@dataclass(frozen=True, slots=True)
class ExtendedEmail(RenderedEmail):
    """The content of a mail with extras."""

    extras: Extras

    def without_copy_to(self, recipient: Mailbox) -> "ExtendedEmail":
        """Drops a copy to the recipient itself, who would get the mail twice."""
        cc, bcc = (tuple(one for one in kind if one.key != recipient.key) for kind in (self.extras.cc, self.extras.bcc))
        return replace(self, extras=replace(self.extras, cc=cc, bcc=bcc))

    def for_service(self, service: MailService) -> "ExtendedEmail":
        """With the headers for the provider that is going to send it. Another attempt may have another provider."""
        if self.extras.provider is None:
            return self
        return replace(self, extras=replace(self.extras, headers=tuple(service.headers(self.extras.provider))))


def copies_header(mailboxes: Sequence[Mailbox]) -> bytes:
    """The Cc header with its line end; nothing if there are no such copies. Bcc has no header."""
    if not mailboxes:
        return b""
    return b"Cc: " + b",\r\n ".join(f"<{mailbox.spec}>".encode() for mailbox in mailboxes) + b"\r\n"


def with_pictures(html: bytes, attachments: Sequence[LoadedAttachment]) -> bytes:
    """The HTML part with the attachments that it shows by `cid:` (RFC 2387)."""
    shown = [attachment for attachment in attachments if _is_shown(attachment.ref)]
    return _multipart('related; type="text/html"', RELATED, [html, *map(_part, shown)]) if shown else html


def with_attachments(body: bytes, attachments: Sequence[LoadedAttachment], *, has_html: bool) -> bytes:
    """The whole body of a mail: `body` and the attachments that its HTML part does not show."""
    attached = [attachment for attachment in attachments if not (has_html and _is_shown(attachment.ref))]
    return _multipart("mixed", MIXED, [body, *map(_part, attached)]) if attached else body


def _is_shown(ref: AttachmentRef) -> bool:
    return ref.content_id is not None and ref.disposition == "inline"


def _multipart(kind: str, boundary: bytes, parts: Sequence[bytes]) -> bytes:
    line = b"\r\n--" + boundary
    kinds, _, parameters = kind.partition(";")
    head = f"Content-Type: multipart/{kinds};{parameters and parameters + ';'}\r\n boundary=".encode()
    return b"".join((head, b'"', boundary, b'"\r\n', *(line + b"\r\n" + part for part in parts), line, b"--\r\n"))


def _part(attachment: LoadedAttachment) -> bytes:
    return _head(attachment.ref) + attachment.body


def _head(ref: AttachmentRef) -> bytes:
    """The headers of an attachment and an empty line. The library encodes the file's name (RFC 2231).

    It would write a long Content-ID in encoded words, where no reader finds it.
    """
    part = MIMEPart(policy=SMTP)
    part["Content-Type"] = ref.content_type
    part["Content-Transfer-Encoding"] = "base64"
    part.add_header("Content-Disposition", ref.disposition, filename=ref.filename)
    content_id = b"" if ref.content_id is None else f"Content-ID: <{ref.content_id}>\r\n".encode()
    return content_id + part.as_bytes()
