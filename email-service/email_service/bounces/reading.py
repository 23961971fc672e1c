"""Reads mails that came back: delivery reports (RFC 3464), complaints (RFC 5965), and the formats of older servers.

Anybody can send such a mail, so its size, its lines, its parts, and the headers whose parsing takes quadratic time are
limited.
"""

import email
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from itertools import chain, islice
from typing import Literal, TypeVar
from uuid import UUID

from flufl.bounce import all_failures

MAX_BYTES = 1_048_576
MAX_LINES, MAX_BOUNDARIES, MAX_CONTENT_TYPE, MAX_PARTS = 50_000, 12, 2_000, 100
MAX_FOUND = 20  # addresses, ids and return paths
MAX_GUESSED_BYTES = 65_536  # flufl.bounce tries seventeen formats, line by line
_FIELD = 1_000
_CONTENT_TYPE = re.compile(rb"(?im)^content-type[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*")
_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_RETURN_PATH = re.compile(rb"bounces\+[a-z2-7]{40,60}@[a-z0-9.-]{1,253}", re.IGNORECASE)
_MESSAGE_ID = re.compile(rb"(?im)^message-id:\s{0,5}<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@")
_ADDRESS = re.compile(r"[^\s<>,;:\"()]{1,64}@[^\s<>,;:\"()]{1,253}")
_NOT_A_COMPLAINT = ("not-spam", "auth-failure", "dmarc")

ReportKind = Literal["failed", "delayed", "delivered", "complained", "auto_reply", "unrecognised"]
Item = TypeVar("Item")

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it logs each format that it tries


class UnreadableBounceReport(Exception):
    """Too large, too deep, or not a mail."""


@dataclass(frozen=True, slots=True)
class BounceReport:
    """What a mail that came back, or a provider's event, says about one of our mails.

    `status`: the enhanced code (`5.1.1`), or empty. `addresses`: the recipients that it may concern, the most certain ones
    first. `named`: the recipients that the report names itself. `return_paths` and `message_ids` may identify the
    notification, but anybody can write them. `provider_ids`: the mail's ids at its provider. `dead`: whether the provider
    says that the address is dead; None: the status decides.
    """

    kind: ReportKind
    status: str = ""
    addresses: tuple[str, ...] = ()
    return_paths: tuple[str, ...] = ()
    message_ids: tuple[UUID, ...] = ()
    named: tuple[str, ...] = ()
    provider_ids: tuple[str, ...] = ()
    dead: bool | None = None


def status_in(text: str) -> str:
    """The first enhanced code in a server's text; empty if there is none."""
    found = _STATUS.search(text)
    return found[1] if found else ""


def read_report(raw: bytes) -> BounceReport:
    """Takes up to a second for the worst input: call it in a thread. Raises UnreadableBounceReport."""
    if len(raw) > MAX_BYTES:
        raise UnreadableBounceReport("too large")
    raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if raw.count(b"\n") > MAX_LINES or raw.lower().count(b"boundary") > MAX_BOUNDARIES:
        raise UnreadableBounceReport("too many lines or parts")
    if any(len(found[0]) > MAX_CONTENT_TYPE for found in _CONTENT_TYPE.finditer(raw)):
        raise UnreadableBounceReport("a header is too long")
    try:
        kind, status, named, addresses = _understood(email.message_from_bytes(raw), len(raw))
    except Exception as error:  # noqa: BLE001 - the parsers raise many errors for a hostile mail: no 5xx
        raise UnreadableBounceReport(type(error).__name__) from None
    return BounceReport(
        kind,
        status,
        tuple(dict.fromkeys(islice(chain(named, addresses), MAX_FOUND))),
        tuple(found[0].decode() for found in _first(_RETURN_PATH.finditer(raw))),
        tuple(UUID(found[1].decode()) for found in _first(_MESSAGE_ID.finditer(raw.partition(b"\n\n")[2]))),
        tuple(named[:MAX_FOUND]),
    )


def _understood(message: Message, size: int) -> tuple[ReportKind, str, list[str], Iterator[str]]:
    """The kind, the status, the addresses that the report names, and those of the mail that came back."""
    parts = list(islice(message.walk(), MAX_PARTS))
    for part in parts:
        match part.get_content_type():
            case "message/feedback-report":
                kind = _complaint(part)
                return kind, "", [], _of_returned(parts)
            case "message/delivery-status":
                kind, status, addresses = _delivery_status(part)
                return kind, status, addresses, _of_returned(parts)
    if named := _field(message, "X-Failed-Recipients"):  # Exim
        return "failed", "", _ADDRESS.findall(named), iter(())
    if _is_auto_reply(message) or size > MAX_GUESSED_BYTES:
        return ("auto_reply" if _is_auto_reply(message) else "unrecognised"), "", [], iter(())
    kind, addresses = _guessed(message)
    return kind, "", addresses, iter(())


def _complaint(part: Message) -> ReportKind:
    fields = next(_blocks(part), None)
    kind = "" if fields is None else _field(fields, "Feedback-Type").strip().lower()
    return "unrecognised" if not kind or kind in _NOT_A_COMPLAINT else "complained"


def _delivery_status(part: Message) -> tuple[ReportKind, str, list[str]]:
    """Our mails have one recipient. If a report names several, a failure counts more than a delay."""
    found: dict[str, tuple[str, list[str]]] = {}
    for block in islice(_blocks(part), MAX_FOUND):
        if action := _field(block, "Action").strip().lower():
            addresses = [
                address
                for name in ("Original-Recipient", "Final-Recipient")
                for address in _ADDRESS.findall(_field(block, name).partition(";")[2])
            ]
            found.setdefault(action, (_status_of(block), addresses))
    for action in ("failed", "delayed", "delivered"):
        if action in found:
            return action, *found[action]  # type: ignore[return-value]
    if found.keys() & {"relayed", "expanded"}:  # passed on to a server that sends no reports: it may still arrive
        return "delayed", *next(iter(found.values()))
    return "unrecognised", "", []


def _status_of(block: Message) -> str:
    """The most specific code: some servers write `5.0.0` into Status, and the real code into the diagnostic text."""
    stated = _STATUS.search(_field(block, "Status"))
    said = _STATUS.search(_field(block, "Diagnostic-Code"))
    if stated is None or (stated[1].endswith(".0.0") and said is not None):
        stated = said
    return stated[1] if stated else ""


def _of_returned(parts: list[Message]) -> Iterator[str]:
    """The recipient in the headers of the mail that came back."""
    for part in parts:
        if part.get_content_type() == "text/rfc822-headers" and not part.is_multipart():
            text = str(part.get_payload())[:MAX_GUESSED_BYTES]
            yield from _ADDRESS.findall(_field(email.message_from_string(text), "To"))
        elif part.get_content_type() == "message/rfc822":
            for block in _blocks(part):
                yield from _ADDRESS.findall(_field(block, "To"))


def _is_auto_reply(message: Message) -> bool:
    """RFC 3834, and what vacation programs write."""
    submitted = _field(message, "Auto-Submitted").strip().lower()
    return (
        submitted not in ("", "no")
        or _field(message, "Precedence").strip().lower() == "auto_reply"
        or "X-Autoreply" in message
        or "X-Autorespond" in message
    )


def _guessed(message: Message) -> tuple[ReportKind, list[str]]:
    try:
        temporary, permanent = all_failures(message)
    except Exception:  # noqa: BLE001 - its formats raise errors of many kinds for mails that are none of them
        return "unrecognised", []
    if not temporary and not permanent:
        return "unrecognised", []
    addresses = sorted(address.decode("utf-8", "replace") for address in permanent or temporary)
    return ("failed" if permanent else "delayed"), addresses


def _blocks(part: Message) -> Iterator[Message]:
    payload = part.get_payload()
    return (block for block in payload if isinstance(block, Message)) if isinstance(payload, list) else iter(())


def _field(block: Message, name: str) -> str:
    return str(block.get(name, ""))[:_FIELD]


def _first(found: Iterator[Item]) -> Iterator[Item]:
    return islice(found, MAX_FOUND)
