"""What a request may ask of an e-mail beside its recipient: copies, a Reply-To, attachments, its provider's options."""

import binascii
import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from chassis.http.fetching import read_url
from contracts.addresses import Email, address_key, parse_mailbox
from contracts.emails import (
    MAX_ATTACHMENT_BYTES,
    MAX_ATTACHMENTS,
    MAX_COPIES,
    MAX_METADATA,
    Disposition,
    MetadataName,
    MetadataValue,
    Stream,
    Tag,
)
from contracts.fields import one_line

MAX_FILENAME = 255  # octets, as file systems have it
MAX_URL = 2_048
_WORD = r"[A-Za-z0-9!#$&^_.+-]+"
_PARAMETER = rf'; ?{_WORD}=(?:{_WORD}|"[A-Za-z0-9 !#-\[\]^_.+/:=@-]*")'
_CONTENT_TYPE = rf"^{_WORD}/{_WORD}(?:{_PARAMETER}){{0,5}}$"
# Parts that contain parts: base64 is not allowed for them (RFC 2045, 6.4).
_COMPOSITE = ("multipart/", "message/")
_NOT_BASE64 = "must be base64 without line ends, with its padding"
_OVERRIDES = "\u202d\u202e"  # they show `fdp.exe` as `exe.pdf`; some readers take what follows `=?` for an encoded word


def _without_smtputf8(address: str) -> str:
    if parse_mailbox(address).needs_utf8:
        raise ValueError("has characters before the @ that not every mail server takes")
    return address


def _none_as(empty: Callable[[], object]) -> BeforeValidator:
    return BeforeValidator(lambda given: empty() if given is None else given)


def _decoded(given: object) -> object:
    """The bytes of base64 (RFC 4648, 4). Raises ValueError, which does not contain the text."""
    if given is None or isinstance(given, bytes):
        return given
    if not isinstance(given, str):
        raise ValueError(_NOT_BASE64)  # noqa: TRY004 - the value is wrong like any other
    try:
        content = binascii.a2b_base64(given, strict_mode=True)
    except (binascii.Error, ValueError):
        raise ValueError(_NOT_BASE64) from None
    if not content:
        raise ValueError("is empty")
    return content


def _fetchable(text: str) -> str:
    read_url(text)
    return text


def _safe_name(name: str) -> str:
    if set(name) & set("/\\") or name in {".", ".."} or any(mark in name for mark in (*_OVERRIDES, "=?")):
        raise ValueError("must be the name of a file, without a path")
    if len(name.encode()) > MAX_FILENAME:
        raise ValueError(f"has more than {MAX_FILENAME} bytes in UTF-8")
    return unicodedata.normalize("NFC", name)


def _simple_type(content_type: str) -> str:
    if content_type.lower().startswith(_COMPOSITE):
        raise ValueError("is no type of a single file")
    return content_type


def _by_key(addresses: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for address in addresses:
        found.setdefault(address_key(address), address)
    return found


Address = Annotated[Email, AfterValidator(_without_smtputf8)]
Copies = Annotated[list[Address], _none_as(list), Field(max_length=MAX_COPIES)]
Filename = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_FILENAME),
    AfterValidator(one_line),
    AfterValidator(_safe_name),
]
ContentType = Annotated[str, StringConstraints(max_length=200, pattern=_CONTENT_TYPE), AfterValidator(_simple_type)]
Content = Annotated[
    bytes, BeforeValidator(_decoded), WithJsonSchema({"type": "string", "contentEncoding": "base64", "minLength": 4})
]
AttachmentUrl = Annotated[
    str,
    StringConstraints(max_length=MAX_URL),
    AfterValidator(_fetchable),
    WithJsonSchema({"type": "string", "format": "uri", "maxLength": MAX_URL, "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"}),
]
ContentId = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9.!#$&*+=_~@-]+$")]
# Metadata of ours, and the fields of SendGrid's events, beside which it puts the caller's: webhooks go by both.
RESERVED = frozenset(
    {"notification-id", "tag", "email", "event", "type", "reason", "status", "timestamp", "category", "smtp-id"}
)
RESERVED_BEGINNING = "sg_"

PDF: dict[str, Any] = {"filename": "invoice.pdf", "content_type": "application/pdf", "content": "JVBERi0xLjcK"}
LOGO: dict[str, Any] = {
    "filename": "logo.png", "content_type": "image/png", "content": "iVBORw0KGgo=", "content_id": "logo"
}  # fmt: skip
REPORT: dict[str, Any] = {
    "filename": "report.pdf", "content_type": "application/pdf", "url": "https://files.example.com/report.pdf?signature=x"
}  # fmt: skip


class Attachment(BaseModel):
    """A file: its `content`, or the `url` to fetch it from when the notification is accepted.

    With `content_id` the HTML part shows it: `<img src="cid:logo">`.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [PDF, LOGO, REPORT]})

    filename: Filename
    content_type: ContentType
    content: Content | None = Field(default=None, repr=False, description="The file in base64, without line ends")
    url: AttachmentUrl | None = Field(
        default=None,
        repr=False,
        validate_default=True,
        description="In place of `content`: fetched once, at once, through https from a public address, if the operator "
        "allows it (ATTACHMENT_URLS)",
    )
    content_id: ContentId | None = Field(default=None, description="Name for `cid:` in the HTML part")
    disposition: Disposition | None = Field(
        default=None, description="Null: `inline` with a `content_id`, otherwise `attachment`"
    )

    @field_validator("url")
    @classmethod
    def _is_given_one_way(cls, url: str | None, info: ValidationInfo) -> str | None:
        if "content" in info.data and (info.data["content"] is None) == (url is None):
            raise ValueError("give either content or url")
        return url

    @property
    def data(self) -> bytes:
        """The content, which must have been given or fetched."""
        if self.content is None:
            raise ValueError("the attachment was not fetched")
        return self.content

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def fingerprint(self) -> dict[str, object]:
        """A repeat is recognised before its URL is fetched, so the URL counts, and not what is found there."""
        given = self.model_dump(exclude={"content"}, exclude_none=True)
        return given if self.url is not None else {**given, "sha256": self.sha256}

    @property
    def shown(self) -> Disposition:
        return self.disposition or ("attachment" if self.content_id is None else "inline")


class EmailOptions(BaseModel):
    """Copies, a Reply-To, attachments, and options for the provider that sends the mail.

    Copies have no preferences; those to suppressed addresses are left out.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"cc": ["team@example.com"], "bcc": [], "reply_to": "help@example.com", "attachments": [PDF, LOGO]}
            ]
        },
    )

    cc: Copies = []
    bcc: Copies = Field(default=[], description="No recipient sees these addresses")
    reply_to: Address | None = Field(default=None, description="In place of the application's `reply_to`")
    attachments: Annotated[list[Attachment], _none_as(list)] = Field(
        default=[], max_length=MAX_ATTACHMENTS, description="At most 7 MiB in all, decoded"
    )
    tag: Tag | None = Field(default=None, description="For the provider's statistics", examples=["receipt"])
    stream: Stream | None = Field(
        default=None,
        description="The provider's message stream (Postmark), configuration set (SES) or IP pool (SendGrid, Mailgun)",
        examples=["broadcast"],
    )
    metadata: Annotated[dict[MetadataName, MetadataValue], _none_as(dict)] = Field(
        default={},
        max_length=MAX_METADATA,
        description="Names and values for the provider's statistics and webhooks",
        examples=[{"campaign": "spring"}],
    )

    @field_validator("metadata")
    @classmethod
    def _leaves_ours(cls, metadata: dict[str, str]) -> dict[str, str]:
        for name in metadata:
            if name in RESERVED or name.startswith(RESERVED_BEGINNING):
                raise ValueError(f"has the reserved name {name}")
        return metadata

    @field_validator("attachments")
    @classmethod
    def _fit_into_a_mail(cls, attachments: list[Attachment]) -> list[Attachment]:
        if sum(len(one.content or b"") for one in attachments) > MAX_ATTACHMENT_BYTES:
            raise ValueError(f"have more than {MAX_ATTACHMENT_BYTES} bytes in all")
        names = [one.content_id for one in attachments if one.content_id is not None]
        if len(set(names)) < len(names):
            raise ValueError("have a content_id twice")
        return attachments

    @model_validator(mode="after")
    def _each_address_once(self) -> Self:
        cc = _by_key(self.cc)
        bcc = {key: one for key, one in _by_key(self.bcc).items() if key not in cc}
        self.cc, self.bcc = list(cc.values()), list(bcc.values())
        return self

    @property
    def copies(self) -> list[str]:
        return [*self.cc, *self.bcc]

    @property
    def fingerprint(self) -> dict[str, object]:
        """What makes two requests equal: of a file its hash. A field that was added later counts only if it is used."""
        files = [one.fingerprint for one in self.attachments]
        given = {"tag": self.tag, "stream": self.stream, "metadata": self.metadata}
        used = {name: value for name, value in given.items() if value}
        return {"cc": self.cc, "bcc": self.bcc, "reply_to": self.reply_to, "attachments": files, **used}

    @property
    def names_urls(self) -> bool:
        return any(one.url is not None for one in self.attachments)

    @property
    def has_provider_options(self) -> bool:
        return bool(self.tag or self.stream or self.metadata)

    @property
    def is_empty(self) -> bool:
        return not (self.cc or self.bcc or self.reply_to or self.attachments or self.has_provider_options)
