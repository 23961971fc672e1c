"""Header values. Whatever goes in, what comes out ends no line that it did not fold, and holds no control character."""

import binascii
import re

from contracts.addresses import Mailbox

MAX_LINE = 76  # RFC 2047, section 2, for lines with encoded words; the others keep to it too
MAX_WORD = 900  # a line may be 998 long, and an id in one piece can be searched for
MAX_PLAIN_NAME = 60
_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# RFC 5322's atoms with single blanks between them: a display name that needs no quotes.
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_WORD_FRAME = len("=?utf-8?B??=")


def one_line(text: str) -> str:
    """Every run of control characters and line ends made one blank, none of them at the ends."""
    return _LINE_BREAKS.sub(" ", text).strip()


def unstructured(name: str, value: str) -> bytes:
    """`name: value` with its line end: as it is when it is short ASCII, folded at blanks, or in encoded words."""
    text = one_line(value)
    start = len(name) + 2
    return f"{name}: ".encode() + (_plain(text, start) or _encoded_words(text, start)) + b"\r\n"


def addressed(name: str, display_name: str, mailbox: Mailbox) -> bytes:
    """`name: "Display Name" <address>` with its line end: one mailbox, whatever the display name says."""
    shown = _phrase(one_line(display_name), len(name) + 2)
    address = f"<{mailbox.spec}>".encode()
    if not shown:
        return f"{name}: ".encode() + address + b"\r\n"
    last_line = len(shown) - shown.rfind(b"\n")
    fits = len(name) + 3 + last_line + len(address) <= MAX_LINE
    return f"{name}: ".encode() + shown + (b" " if fits else b"\r\n ") + address + b"\r\n"


def _phrase(text: str, start: int) -> bytes:
    if not text.isascii() or "=?" in text or len(text) > MAX_PLAIN_NAME:
        return _encoded_words(text, start)
    if not text or _PHRASE.fullmatch(text):
        return text.encode()
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'.encode()


def _plain(text: str, start: int) -> bytes | None:
    """None when it needs encoded words: not ASCII, looking like one (it would be decoded), or with no place to fold."""
    if not text.isascii() or "=?" in text:
        return None
    return text.encode() if start + len(text) <= MAX_LINE else _folded(text, start)


def _folded(text: str, start: int) -> bytes | None:
    lines: list[str] = []
    line, room = "", MAX_LINE - start
    for word in text.split(" "):
        if not word or len(word) > MAX_WORD:
            return None
        if line and len(line) + 1 + len(word) > room:
            lines.append(line)
            line, room = word, MAX_LINE - 1
        else:
            line = f"{line} {word}" if line else word
    return "\r\n ".join([*lines, line]).encode()


def _encoded_words(text: str, start: int) -> bytes:
    """RFC 2047 in base64: each word whole characters, each line at most 76 long."""
    raw = text.encode("utf-8", "replace")
    words: list[bytes] = []
    position = 0
    while position < len(raw):
        room = (MAX_LINE - (1 if words else start) - _WORD_FRAME) // 4 * 3
        end = _character_end(raw, position + room)
        words.append(b"=?utf-8?B?" + binascii.b2a_base64(raw[position:end], newline=False) + b"?=")
        position = end
    return b"\r\n ".join(words)


def _character_end(raw: bytes, end: int) -> int:
    while end < len(raw) and raw[end] & 0xC0 == 0x80:  # in the middle of a character
        end -= 1
    return min(end, len(raw))
