"""Parses messages from any sender. Nothing here raises, for any bytes."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from functools import cached_property
from typing import Literal

PushProvider = Literal["fcm", "web_push", "apns"]
_MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^>\r\n]{1,900}>)", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(r"\r?\n(?=[ \t])")


def message_id(raw: bytes) -> str:
    """Found without parsing (about 1 µs), because the SMTP server needs it for every message."""
    head = raw[: raw.find(b"\r\n\r\n") + 2 or len(raw)]
    found = _MESSAGE_ID.search(head)
    return found[1].decode("utf-8", "replace") if found else ""


def headers(raw: bytes) -> list[tuple[str, str]]:
    return [(name, _decoded(value)) for name, value in BytesHeaderParser().parsebytes(raw).raw_items()]


def parse(raw: bytes) -> Message:
    return message_from_bytes(raw)


def body(tree: Message, content_type: str) -> str:
    """The first part of that type that is not an attachment."""
    for part in tree.walk():
        if part.get_content_type() == content_type and part.get_content_disposition() != "attachment":
            return _text_of(part)
    return ""


def _text_of(part: Message) -> str:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):  # an unknown charset, or something that is not a charset's name
        return content.decode("utf-8", "replace")


def _decoded(value: object) -> str:
    """The parser returns raw UTF-8 (SMTPUTF8) as surrogates, and encoded words undecoded (RFC 2047)."""
    plain = _FOLD.sub("", str(value)).encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
    try:
        return str(make_header(decode_header(plain))) if "=?" in plain else plain
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return plain


@dataclass(frozen=True)
class ReceivedEmail:
    """One e-mail to one recipient. `raw` is the content between DATA and the final dot, with dot-stuffing removed."""

    id: int
    received_at: datetime
    envelope_from: str
    recipient: str
    raw: bytes

    @cached_property
    def message_id(self) -> str:
        """With its angle brackets, as sent; empty when the message has none."""
        return message_id(self.raw)

    @property
    def key(self) -> str:
        """Equal for all copies of one notification."""
        return self.message_id

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """In their order, unfolded and decoded."""
        return headers(self.raw)

    @property
    def subject(self) -> str:
        return self._header("subject")

    @property
    def from_header(self) -> str:
        return self._header("from")

    @property
    def to_header(self) -> str:
        return self._header("to")

    @property
    def html(self) -> str:
        """The text/html part, decoded. Empty if there is none."""
        return body(self._tree, "text/html")

    @property
    def text(self) -> str:
        """The text/plain part, decoded. Empty if there is none."""
        return body(self._tree, "text/plain")

    @property
    def source(self) -> str:
        return self.raw.decode("utf-8", "replace")

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.raw)

    @cached_property
    def _tree(self) -> Message:
        return parse(self.raw)

    def _header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")


_DATA_AT: Mapping[PushProvider, tuple[str, ...]] = {"fcm": ("data",), "web_push": ("notification", "data"), "apns": ()}


@dataclass(frozen=True)
class ReceivedPush:
    """One push message. `raw` is JSON: FCM's `message`, or the `headers` and the (decrypted) `message` of the others. The two
    ids come from the request's headers.
    """

    id: int
    received_at: datetime
    token: str
    raw: str
    correlation_id: str = ""
    request_id: str = ""
    provider: PushProvider = "fcm"

    @property
    def recipient(self) -> str:
        return self.token

    @property
    def key(self) -> str:
        """Equal for all copies of one notification: the sender's own field."""
        return self.data.get("notification_id") or self.request_id or self.correlation_id

    @property
    def title(self) -> str:
        return self._shown("title")

    @property
    def body(self) -> str:
        return self._message if isinstance(self._message, str) else self._shown("body")

    @property
    def image(self) -> str:
        return self._text("image") if self.provider == "apns" else self._shown("image")

    @property
    def badge(self) -> int | None:
        """The number on the app's icon. FCM has one for Android and one for Apple."""
        paths = (
            ("aps", "badge"),
            ("app_badge",),
            ("apns", "payload", "aps", "badge"),
            ("android", "notification", "notification_count"),
        )
        return next((found for path in paths if isinstance(found := self.at(*path), int)), None)

    @property
    def link(self) -> str:
        """The address that a tap opens: a browser's `navigate`, FCM's web link, else `link` or `url` of the data."""
        named = self._text("notification", "navigate") or self._text("webpush", "fcm_options", "link")
        return named or self.data.get("link", "") or self.data.get("url", "")

    @cached_property
    def data(self) -> dict[str, str]:
        found = self.at(*_DATA_AT[self.provider])
        return (
            {str(key): str(value) for key, value in found.items() if key != "aps"} if isinstance(found, Mapping) else {}
        )

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """Those that say how it is delivered. Over FCM the message has them itself."""
        return {} if self.provider == "fcm" else json.loads(self.raw)["headers"]

    @cached_property
    def _message(self) -> object:
        whole = json.loads(self.raw)
        return whole if self.provider == "fcm" else whole["message"]

    def at(self, *path: str) -> object:
        """The field of the message at that place; None if there is none."""
        found = self._message
        for step in path:
            found = found.get(step) if isinstance(found, Mapping) else None
        return found

    def _shown(self, name: str) -> str:
        return self._text(*(("aps", "alert") if self.provider == "apns" else ("notification",)), name)

    def _text(self, *path: str) -> str:
        found = self.at(*path)
        return found if isinstance(found, str) else ""


Received = ReceivedEmail | ReceivedPush
