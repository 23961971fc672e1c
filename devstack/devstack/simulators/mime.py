"""Reading a message that anybody may have written: nothing here raises, whatever the bytes are."""

import re
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser

_MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^>\r\n]{1,900}>)", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(r"\r?\n(?=[ \t])")


def message_id(raw: bytes) -> str:
    """Found without parsing (about 1 µs): the SMTP server asks on the hot path."""
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
    except (LookupError, ValueError):  # a charset that nobody knows, or no name of one
        return content.decode("utf-8", "replace")


def _decoded(value: object) -> str:
    """Raw UTF-8 (SMTPUTF8) comes from the parser as surrogates, encoded words as they are (RFC 2047)."""
    plain = _FOLD.sub("", str(value)).encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
    try:
        return str(make_header(decode_header(plain))) if "=?" in plain else plain
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return plain
